/** A service as large as one likes: members and locks as keys, instances that one real agent has registered. */
import { randomUUID } from 'node:crypto'
import { instanceName, keysOf } from '../../../lib/base/names.ts'
import { guardCheckId } from '../../../lib/consul/health.ts'
import { Consul } from '../../../lib/consul/http.ts'
import { base64, transact, transactionLimit } from '../../../lib/consul/kv.ts'
import type { Operation } from '../../../lib/consul/operation.ts'
import { sessionName } from '../../../lib/consul/session.ts'
import { cleanValue, heldValue } from '../../../lib/keys/lock.ts'
import { memberValue } from '../../../lib/keys/member.ts'
import { definition } from '../../fixtures/cluster.ts'
import type { Agent } from '../../lab/cluster.ts'
import { until } from '../../lab/until.ts'
import type { Progress } from '../bench.ts'

export const service = 'scale'
export const keys = keysOf(service)
export interface Size {
  readonly partitions: number
  readonly instances: number
}

/** An instance that is registered and holds what it should, and that nobody runs. */
export interface Fake {
  readonly instance: string
  readonly session: string
}

/** Two requests to Consul at a time: it has other work, too. */
const parallel = 8

/**
 * Registers all instances but one with this agent, and gives them their shares. What is left is free: the one that is real
 * takes it. @param digests of the definition that the real one has: all have the same
 */
export async function fill(agent: Agent, size: Size, digests: Digests, progress: Progress): Promise<Fake[]> {
  const { partitions, instances } = size
  const consul = new Consul({ env: { CONSUL_HTTP_ADDR: agent.control }, limit: 60_000 })
  const fakes: Fake[] = []
  try {
    progress(`${instances - 1} instances are registered`)
    await inParallel(instances - 1, n => register(agent, n))
    await seen(agent, instances - 1)
    await inParallel(instances - 1, async n => {
      fakes.push(await withSession(agent, n))
    })
    fakes.sort((a, b) => (a.instance < b.instance ? -1 : 1))
    await write(
      consul,
      fakes.map(fake => [memberKey(fake, digests)]),
    )
    progress(`${partitions} partitions are written`)
    await write(
      consul,
      Array.from({ length: partitions }, (_, n) => partitionKeys(n, fakes[n % instances])),
      (done: number) => progress(`${done} of ${partitions}`),
    )
    await write(consul, [[{ Verb: 'set', Key: keys.revision, Value: base64('{}') }]])
  } finally {
    consul.close()
  }
  return fakes
}

export interface Digests {
  readonly digest: string
  readonly shared: string | undefined
}

/** With the agent itself: what the catalog alone holds would be removed by the servers, or by the agent. */
export async function register(agent: Agent, n: number): Promise<void> {
  const id = serviceId(n)
  const Check = { CheckID: guardCheckId(id), Name: 'guard', TTL: '24h', Status: 'passing' }
  await agent.api('PUT', '/v1/agent/service/register', { ID: id, Name: service, Check })
}

/** Once the catalog knows so many. */
export function seen(agent: Agent, count: number): Promise<unknown> {
  const registered = async () => {
    const services = await agent.api<unknown[]>('GET', `/v1/health/service/${service}?passing`)
    return services.length >= count
  }
  return until('all instances to be in the catalog', registered, { deadline: 120_000, every: 200 })
}

export async function withSession(agent: Agent, n: number): Promise<Fake> {
  const id = serviceId(n)
  const instance = instanceName(agent.name, id)
  const session = { Name: sessionName(instance), LockDelay: '0s', Checks: ['serfHealth', guardCheckId(id)] }
  const { ID } = await agent.api<{ ID: string }>('PUT', '/v1/session/create', session)
  return { instance, session: ID }
}

function serviceId(n: number): string {
  return `i${String(n).padStart(4, '0')}`
}

export function memberKey({ instance, session }: Fake, { digest, shared }: Digests): Operation {
  const value = memberValue(instance.split(':')[0] as string, { ...definition, name: service }, digest, { shared })
  return { Verb: 'lock', Key: keys.member(instance), Session: session, Value: base64(value) }
}

export function takenBy({ instance, session }: Fake, id: string): Operation {
  const value = { instance, acquisition: randomUUID(), lease: 10_000, grace: 3000, since: now, version: '' }
  return { Verb: 'lock', Key: keys.lock(id), Session: session, Value: base64(heldValue(value)) }
}

export function givenBack({ session, instance }: Fake, id: string): Operation {
  return { Verb: 'unlock', Key: keys.lock(id), Session: session, Value: base64(cleanValue(now, instance)) }
}

export function idOf(n: number): string {
  return `customer-${String(n).padStart(6, '0')}`
}

const now = new Date().toISOString()

function partitionKeys(n: number, holder: Fake | undefined): Operation[] {
  const id = idOf(n)
  const lock = { Verb: 'set', Key: keys.lock(id), Value: base64(cleanValue(now)) } as const
  return [
    { Verb: 'set', Key: keys.partition(id), Value: base64('{"from":"hand"}') },
    holder ? takenBy(holder, id) : lock,
  ]
}

/** In transactions that are as large as Consul takes them. */
async function write(consul: Consul, items: readonly Operation[][], say: (done: number) => void = () => {}) {
  const each = Math.floor(transactionLimit / (items[0]?.length ?? 1))
  let sent = 0
  await inParallel(Math.ceil(items.length / each), async n => {
    const outcome = await transact(consul, items.slice(n * each, (n + 1) * each).flat())
    if (!outcome.done) throw new Error('Consul refused to write what the bench is about')
    if (++sent % 500 === 0) say(sent * each)
  })
}

async function inParallel(count: number, work: (n: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: parallel }, worker))
}
