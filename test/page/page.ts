/** A page on the model of Consul: a service with two instances and two partitions, and what asks for views of it. */
import type { TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Hono } from 'hono'
import { keysOf } from '../../lib/base/names.ts'
import type { Consul } from '../../lib/consul/http.ts'
import type { Definition } from '../../lib/definition/definition.ts'
import { heldValue } from '../../lib/keys/lock.ts'
import { memberValue } from '../../lib/keys/member.ts'
import { type PageOptions, pageApp } from '../../lib/page/app.ts'
import { Here } from '../../lib/page/here/here.ts'
import { ownPower } from '../../lib/page/power.ts'
import { definition, heldBy } from '../fixtures/cluster.ts'
import { type FakeConsul, fakeConsul } from '../fixtures/consul.ts'
import { directory } from '../fixtures/state.ts'

export const secret = 'a-secret-of-this-test'
export const host = '127.0.0.1:8600'
export const origin = `http://${host}`

export const keys = keysOf('svc')

/** So many machines, named by letters or numbers, and the partitions from 0 on, one after the other on each. */
export async function serviceIn(
  t: TestContext,
  machines = ['a', 'b'],
  partitions = 2,
  over: Partial<Definition> = {},
): Promise<FakeConsul> {
  const fake = await fakeConsul(t)
  const { memory } = fake
  for (const node of machines) {
    memory.session(`session of ${node}`, node, `watchbill ${node}:svc`)
    memory.nodes.set(node, { serfHealth: 'passing', services: new Map([['svc', { name: 'svc', status: 'passing' }]]) })
    memory.lock(
      keys.member(`${node}:svc`),
      `session of ${node}`,
      memberValue(node, { ...definition, ...over }, 'digest'),
    )
  }
  memory.put(keys.revision, '{}')
  memory.put(keys.settings, '{"drained":[],"epoch":0}')
  for (let at = 0; at < partitions; at++) {
    const [id, node] = [String(at), machines[at % machines.length]]
    memory.put(keys.partition(id), '{"from":"definition","document":{"topic":"<b>orders</b>"}}')
    memory.lock(
      keys.lock(id),
      `session of ${node}`,
      heldValue(heldBy(`${node}:svc`, { version: over.versions?.first ?? '' })),
    )
  }
  return fake
}

export const assets = { script: '/* script */', style: '/* style */', hash: 'abc' } as const

/** Waits as Consul does: until something below the prefix changes, or the wait is over. */
export function blocking(fake: FakeConsul): void {
  fake.script = async ({ path }) => {
    const url = new URL(path, 'http://consul')
    const index = Number(url.searchParams.get('index') ?? 0)
    if (index === 0) return undefined
    const end = performance.now() + 1000 * Number.parseInt(url.searchParams.get('wait') ?? '0', 10)
    while (fake.memory.index <= index && performance.now() < end) await delay(10, undefined, { ref: false })
    return undefined
  }
}

export interface Page {
  readonly app: Hono
  readonly ask: (path: string, headers?: Record<string, string>) => Promise<Response>
  readonly part: (path: string) => Promise<string>
  readonly json: <T>(path: string) => Promise<T>
  readonly act: (act: string, args: unknown, dryRun: boolean, headers?: Record<string, string>) => Promise<Response>
}

export function pageOn(t: TestContext, consul: Consul, over: Partial<PageOptions> = {}): Page {
  // The page closes its own connection.
  const power = over.power ?? ownPower(consul.another(5000), secret)
  const app = pageApp({
    ...{ power, here: new Here(directory(t)), assets, secretForAll: null, used: () => {} },
    doorway: () => ({ hosts: ['127.0.0.1', 'localhost', '[::1]'], port: 8600, secure: false }),
    shows: { documents: true, logs: true },
    ...over,
  })
  t.after(() => power.close())
  const own = { host, authorization: `Bearer ${secret}` }
  const ask = async (path: string, headers = {}) => app.request(`${origin}${path}`, { headers: { ...own, ...headers } })
  return {
    app,
    ask,
    part: async path => (await ask(path, { 'watchbill-part': '1', accept: 'text/html' })).text(),
    json: async <T>(path: string) => (await ask(path, { accept: 'application/json' })).json() as Promise<T>,
    act: async (act, args, dryRun, headers = {}) =>
      app.request(`${origin}/act`, {
        method: 'POST',
        headers: { ...own, 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ act, args, dryRun }),
      }),
  }
}

/** The lines of an act's answer. */
export async function linesOf(answer: Response): Promise<Record<string, unknown>[]> {
  return (await answer.text())
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
}
