/** A cluster in the memory of a model of Consul: b has locks of svc, and fails. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { keysOf } from '../../lib/base/names.ts'
import { entryOf } from '../../lib/consul/entry.ts'
import { sessionName } from '../../lib/consul/session.ts'
import type { Definition } from '../../lib/definition/definition.ts'
import { heldValue, type Lock, lockFrom } from '../../lib/keys/lock.ts'
import { memberValue } from '../../lib/keys/member.ts'
import { powerKey, turnKey } from '../../lib/keys/power.ts'
import { powerOff, type Runs } from '../../lib/power/power.ts'
import { definition, heldBy, sessionOf } from '../fixtures/cluster.ts'
import { type FakeConsul, fakeConsul } from '../fixtures/consul.ts'
import { contextOf, stateOf } from '../fixtures/state.ts'

export const keys = keysOf('svc')

/** power-off.json for all tests of this process; nobody waits longer than 1 s. */
export function settingsFile(more: object = {}): void {
  const folder = mkdtempSync(join(tmpdir(), 'watchbill-test-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'power-off.json')
  const settings = { command: ['/off', '{node}'], confirm: ['/is-off', '{node}'], after: '1s', ...more }
  writeFileSync(file, JSON.stringify(settings), { mode: 0o644 })
  process.env.WATCHBILL_POWER_OFF = file
}

export interface Stage {
  readonly fake: FakeConsul
  readonly memory: FakeConsul['memory']
  /** Runs the program on a survivor. */
  readonly power: (node?: string, runs?: Runs) => Promise<string>
  /** What the survivors have run. */
  readonly ran: string[]
  readonly logged: string[]
  readonly lock: (id: string, service?: string) => Lock
  readonly record: (node?: string) => Record<string, unknown> | null
  readonly turn: () => { begun: unknown[] } | null
  /** Gossip takes a node for failed, which ends its sessions. */
  readonly fail: (node?: string) => void
  readonly back: (node?: string) => void
}

export const locksOfB = ['0', '1', 'a/b']

export async function stage(
  t: TestContext,
  { calm = {}, services = ['svc'] }: { calm?: Partial<Definition>; services?: readonly string[] } = {},
): Promise<Stage> {
  const fake = await fakeConsul(t)
  const { memory } = fake
  for (const node of ['a', 'b', 'c']) {
    const own = services.map(service => [service, { name: service, status: 'passing' as const }] as const)
    memory.nodes.set(node, { serfHealth: 'passing', services: new Map(own) })
  }
  for (const service of services) makeService(memory, service, { ...definition, ...calm, name: service })
  const logged: string[] = []
  const ran: string[] = []
  const works: Runs = async ([program = ''], node) => {
    ran.push(`${program} ${node}`)
    return null
  }
  return {
    ...{ fake, memory, logged, ran },
    power: (node = 'a', runs = works) => {
      const run = contextOf(fake.consul, stateOf(t, `${node}:svc`))
      const log = (line: string) => void logged.push(line)
      return powerOff({ ...run, instance: `${node}:svc`, node, log }, runs)
    },
    lock: (id, service = 'svc') => lockFrom(entryOf(memory.keys.get(keysOf(service).lock(id)) as never)),
    record: (node = 'b') => memory.value(powerKey(node)) as Record<string, unknown> | null,
    turn: () => memory.value(turnKey) as { begun: unknown[] } | null,
    fail: (node = 'b') => memory.setSerf(node, 'critical'),
    back: (node = 'b') => memory.setSerf(node, 'passing'),
  }
}

function makeService(memory: FakeConsul['memory'], service: string, own: Definition): void {
  const keys = keysOf(service)
  memory.put(keys.revision, '1')
  for (const node of ['a', 'b', 'c']) {
    const instance = `${node}:${service}`
    const session = memory.session(sessionOf(instance), node, sessionName(instance))
    memory.lock(keys.member(instance), session, memberValue(node, own, 'digest'))
  }
  for (const id of locksOfB) take(memory, service, id, 'b')
  take(memory, service, '2', 'c')
}

function take(memory: FakeConsul['memory'], service: string, id: string, node: string): void {
  const [keys, instance] = [keysOf(service), `${node}:${service}`]
  memory.put(keys.partition(id), '{"from":"definition"}')
  memory.lock(keys.lock(id), sessionOf(instance), heldValue(heldBy(instance)))
}

/** Another instance takes a lock that was free. */
export function takenBy({ memory }: Stage, id: string, node = 'c', session = sessionOf(`${node}:svc`)): void {
  memory.lock(keys.lock(id), session, heldValue(heldBy(`${node}:svc`)))
}
