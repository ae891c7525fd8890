/** Faults of keys, sessions, checks and definitions. */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { bootClock } from '../../../lib/base/clock.ts'
import { keysOf } from '../../../lib/base/names.ts'
import { guardCheckId } from '../../../lib/consul/health.ts'
import { cleanValue } from '../../../lib/keys/lock.ts'
import { processes } from '../../cluster/stage.ts'
import type { Agent } from '../../lab/cluster.ts'
import { program } from '../../lab/install.ts'
import { until } from '../../lab/until.ts'
import type { Fault, Heal, Scene } from '../fault.ts'
import { insist } from '../insist.ts'

const takenOver = { takenOverWithin: 30_000 }
const nothing: Heal = async () => {}
/** The age of a backup when it is restored, ms. */
const backupAge = 60_000
/** The values, s, that one host's L and G are changed to. */
const longer = { lease: 14, grace: 4 }
const longest = { lease: 25, grace: 8 }

export async function drain({ lab, agent }: Scene, on: 'on' | 'off'): Promise<void> {
  await insist(`a drain, ${on}`, async () => {
    const leader = await lab.cluster.leader()
    await program('drain', [lab.definition.name, lab.instance(agent), on, '--http-addr', leader.http], leader)
  })
}

/** The key of one lock that the host holds. */
function someLock({ lab, agent, random }: Scene): string {
  const held = [...processes(agent, lab.definition).keys()]
  return `/v1/kv/${keysOf(lab.definition.name).lock(random.pick(held))}`
}

/** Makes locks look given back. They are written under a lock, so that they are believed, and through a server. */
export async function handOut({ lab }: Scene, partitions: readonly string[]): Promise<void> {
  const leader = await lab.cluster.leader()
  const { ID } = await leader.api<{ ID: string }>('PUT', '/v1/session/create', { LockDelay: '0s', Checks: [] })
  for (const id of partitions) {
    const lock = `/v1/kv/${keysOf(lab.definition.name).lock(id)}`
    await leader.api('PUT', `${lock}?acquire=${ID}`, cleanValue('now'))
    await leader.api('PUT', `${lock}?release=${ID}`, cleanValue('now'))
  }
  await leader.api('PUT', `/v1/session/destroy/${ID}`)
}

/** Restarts all processes of the host with the longest L and G: a process keeps the terms that it was started with. */
export async function takeLongTerms(scene: Scene): Promise<void> {
  const { lab, agent } = scene
  const running = () => processes(agent, lab.definition).size
  await lab.redefine(agent, lab.define(longest.lease, longest.grace))
  await drain(scene, 'on')
  await until('the host to give everything back', () => running() === 0, { deadline: 30_000 })
  await drain(scene, 'off')
  const share = async (see: (what: number) => number) =>
    running() >= 3 && see(lab.owned(agent).length) === running() && lab.idle().length === 0
  await until('the host to have its share again', share, { deadline: 30_000 })
}

/** Cuts a host off that has the longest L and G; `then` runs without it. */
async function cutWithLongTerms(scene: Scene, then: (leader: Agent) => Promise<unknown>): Promise<Heal> {
  const { lab, agent, host } = scene
  await takeLongTerms(scene)
  await lab.lan.unplug(host)
  await insist('the end of what is known of it', async () => then(await lab.cluster.leader()))
  return async () => {
    await lab.lan.plug(host)
    await lab.redefine(agent)
    // An eviction leaves the terms in Consul: every later wait for an unknown holder would be as long.
    await insist('the terms to be forgotten', async () => {
      const leader = await lab.cluster.leader()
      await leader.api('DELETE', `/v1/kv/${keysOf(lab.definition.name).terms}`)
    })
  }
}

/** Through a server that the host need not reach. */
export async function destroySession({ lab, agent }: Scene): Promise<void> {
  await insist('a session to be destroyed', async () => {
    const leader = await lab.cluster.leader()
    const sessions = await leader.api<{ ID: string; Name: string }[]>('GET', `/v1/session/node/${agent.name}`)
    const own = sessions.find(({ Name }) => Name.includes(lab.instance(agent)))
    await leader.api('PUT', `/v1/session/destroy/${own?.ID}`)
  })
}

export const consulFaults: readonly Fault[] = [
  {
    name: 'lock-deleted',
    hits: 'client',
    lasts: 5000,
    gap: 'none',
    inject: async scene => {
      const lock = someLock(scene)
      await insist('a lock to be deleted', () => scene.agent.api('DELETE', lock))
      return nothing
    },
  },
  {
    name: 'lock-overwritten',
    hits: 'client',
    lasts: 5000,
    gap: 'none',
    inject: async scene => {
      const lock = someLock(scene)
      await insist('a lock to be overwritten', () => scene.agent.api('PUT', lock, 'garbage'))
      return nothing
    },
  },
  {
    name: 'session-destroyed',
    hits: 'client',
    lasts: 5000,
    gap: 'none',
    inject: async scene => {
      await destroySession(scene)
      return nothing
    },
  },
  {
    name: 'cut-and-destroyed', // the session ends when the host is cut off: others take over as early as possible
    hits: 'client',
    lasts: takenOver,
    gap: 'takeover',
    inject: async scene => {
      const { lab, host } = scene
      await lab.lan.unplug(host)
      await destroySession(scene)
      return () => lab.lan.plug(host)
    },
  },
  {
    name: 'snapshot-restored', // of a backup from before every lock of a host was handed over
    hits: 'client',
    lasts: 20_000,
    gap: 'takeover',
    inject: async scene => {
      const { lab } = scene
      const backup = join(lab.root, 'backup')
      await insist('a backup', async () => (await lab.cluster.leader()).consul('snapshot', 'save', backup))
      const saved = bootClock()
      await drain(scene, 'on')
      await pause(Math.max(0, saved + backupAge - bootClock()))
      await insist('a restore', async () => (await lab.cluster.leader()).consul('snapshot', 'restore', backup))
      return () => drain(scene, 'off')
    },
  },
  {
    name: 'guard-deregistered',
    hits: 'client',
    lasts: takenOver,
    gap: 'takeover',
    inject: async ({ agent }) => {
      await agent.api('PUT', `/v1/agent/check/deregister/${guardCheckId('work')}`)
      return () => agent.reload()
    },
  },
  {
    name: 'terms-changed', // L and G grow while it holds, and then it is cut off
    hits: 'client',
    lasts: { takenOverWithin: 45_000 },
    gap: 'takeover',
    limit: (longer.lease + longer.grace) * 1000,
    inject: async ({ lab, agent, host }) => {
      await lab.redefine(agent, lab.define(longer.lease, longer.grace))
      await pause(5000)
      await lab.lan.unplug(host)
      return async () => {
        await lab.lan.plug(host)
        await lab.redefine(agent)
      }
    },
  },
  {
    name: 'terms-forgotten', // a long lease still runs on a host that is cut off, and nothing is left in Consul
    hits: 'client',
    lasts: { takenOverWithin: 60_000 },
    gap: 'takeover',
    limit: (longest.lease + longest.grace) * 1000,
    inject: scene =>
      cutWithLongTerms(scene, async leader => {
        await destroySession(scene)
        await leader.api('DELETE', `/v1/kv/${keysOf(scene.lab.definition.name).root}?recurse`)
      }),
  },
  {
    name: 'terms-evicted', // as above; then its locks are garbled, and it is evicted
    hits: 'client',
    lasts: { takenOverWithin: 60_000 },
    gap: 'takeover',
    limit: (longest.lease + longest.grace) * 1000,
    inject: scene => {
      const { lab, agent } = scene
      const { name } = lab.definition
      return cutWithLongTerms(scene, async leader => {
        const held = processes(agent, lab.definition).keys()
        for (const id of held) await leader.api('PUT', `/v1/kv/${keysOf(name).lock(id)}`, 'garbage')
        const args = [name, lab.instance(agent), '--force', '--yes', '--http-addr', leader.http]
        await program('evict', args, leader)
      })
    },
  },
  {
    name: 'lock-recreated', // as a clean lock, while its holder is cut off
    hits: 'client',
    lasts: takenOver,
    gap: 'takeover',
    inject: async ({ lab, agent, host }) => {
      const held = [...processes(agent, lab.definition).keys()]
      await lab.lan.unplug(host)
      await insist('locks to be made again', async () => {
        const leader = await lab.cluster.leader()
        for (const id of held) {
          const lock = `/v1/kv/${keysOf(lab.definition.name).lock(id)}`
          await leader.api('DELETE', lock)
          await leader.api('PUT', lock, cleanValue('now'))
        }
      })
      return () => lab.lan.plug(host)
    },
  },
  {
    name: 'renamed', // the service is renamed on one host, which then runs all partitions beside the others
    hits: 'client',
    lasts: takenOver,
    gap: 'takeover',
    inject: async ({ lab, agent }) => {
      await lab.redefine(agent, lab.define(undefined, undefined, { name: 'other' }))
      return () => lab.redefine(agent)
    },
  },
]
