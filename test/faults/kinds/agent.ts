/** Faults of Consul's agent, and of the whole host. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Agent } from '../../lab/cluster.ts'
import { programAs } from '../../lab/install.ts'
import { until } from '../../lab/until.ts'
import type { Fault, Scene } from '../fault.ts'
import { insist } from '../insist.ts'

const takenOver = { takenOverWithin: 30_000 }
/** The pause between reloads, ms. Every reload starts all handlers: without a pause two CPUs do nothing else. */
const betweenReloads = 250
/** How long a host stays frozen, ms; longer than any lease. */
const frozen = 40_000

export function signal({ pid }: Agent, name: NodeJS.Signals): void {
  if (pid !== null) process.kill(pid, name)
}

export async function restart({ agent }: Scene): Promise<void> {
  if (agent.pid === null) await agent.start()
}

/** Reboots the host; the state directory stays, and the clock is that of the other hosts. */
export async function reboot({ agent, host }: Scene): Promise<void> {
  await host.group.kill()
  await agent.stop('SIGKILL')
  await host.newBoot()
  await agent.start()
}

/** Whether a server has a snapshot: Raft restores the newest one when a server starts. */
function hasSnapshot(folder: string): boolean {
  return readdirSync(join(folder, 'data/raft/snapshots')).some(name => !name.endsWith('.tmp'))
}

export const agentFaults: readonly Fault[] = [
  {
    name: 'agent-kill',
    hits: 'client',
    lasts: takenOver,
    gap: 'takeover',
    inject: async scene => {
      await scene.agent.stop('SIGKILL')
      return () => restart(scene)
    },
  },
  {
    name: 'agent-stop', // SIGSTOP, and SIGCONT after 40 s
    hits: 'client',
    lasts: frozen,
    gap: 'takeover',
    inject: async ({ agent }) => {
      signal(agent, 'SIGSTOP')
      return async () => signal(agent, 'SIGCONT')
    },
  },
  {
    name: 'agent-term', // and it does not come back
    hits: 'client',
    lasts: takenOver,
    gap: 'takeover',
    inject: async scene => {
      await scene.agent.stop('SIGTERM')
      return () => restart(scene)
    },
  },
  {
    name: 'agent-restart',
    hits: 'client',
    lasts: 10_000,
    gap: 'none',
    inject: async scene => {
      await scene.agent.stop('SIGTERM')
      await restart(scene)
      return () => restart(scene)
    },
  },
  {
    name: 'consul-leave', // the agent leaves the cluster; the service was not told to leave
    hits: 'client',
    lasts: takenOver,
    gap: 'takeover',
    inject: async scene => {
      const { agent } = scene
      await agent.api('PUT', '/v1/agent/leave').catch(() => {}) // it may end before it answers
      await until(`${agent.name} to end`, () => agent.pid === null, { deadline: 30_000 })
      return () => restart(scene)
    },
  },
  {
    name: 'leave', // watchbill's own
    hits: 'client',
    lasts: 5000,
    gap: 'clean',
    inject: async ({ lab, agent }) => {
      const args = [lab.definition.name, '--state', agent.state, '--http-addr', agent.http]
      await insist('a leave', () => programAs(agent, 'leave', args))
      return () => agent.reload()
    },
  },
  {
    name: 'host-freeze', // all processes of the host
    hits: 'client',
    lasts: frozen,
    gap: 'takeover',
    freezes: true,
    inject: async ({ host }) => {
      await host.group.freeze()
      return () => host.group.thaw()
    },
  },
  {
    name: 'cpu-starved', // 3 % of one CPU for everything on the host
    hits: 'client',
    lasts: 30_000,
    gap: 'takeover',
    slows: true,
    needs: 'cpu',
    inject: async ({ host }) => {
      host.group.starve(0.03)
      return async () => void host.group.starve(null)
    },
  },
  {
    name: 'reload-loop',
    hits: 'client',
    lasts: 15_000,
    gap: 'none',
    inject: async ({ agent }) => {
      let over = false
      const loop = (async () => {
        while (!over) {
          await agent.reload()
          await pause(betweenReloads)
        }
      })()
      return async () => {
        over = true
        await loop
      }
    },
  },
  {
    name: 'leader-killed',
    hits: 'leader',
    lasts: 15_000,
    gap: 'takeover',
    inject: async scene => {
      await scene.agent.stop('SIGKILL')
      return () => restart(scene)
    },
  },
  {
    name: 'servers-restarted', // each restores a snapshot of its own
    hits: 'leader',
    lasts: 5000,
    gap: 'takeover',
    inject: async ({ lab }) => {
      const { servers } = lab
      await Promise.all(servers.map(server => server.stop('SIGTERM')))
      for (const { folder } of servers) {
        if (!hasSnapshot(folder)) throw new Error(`there is no snapshot in ${folder} to restore`)
      }
      await Promise.all(servers.map(server => server.start()))
      return async () => {}
    },
  },
]
