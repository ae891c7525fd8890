/** Faults of a command under `watchbill lock`. Its beats are those of the partition `lock/job`. */
import { setTimeout as pause } from 'node:timers/promises'
import { type Process, processOf, signal as signalProcess } from '../../../lib/machine/identity.ts'
import { pids, variable } from '../../handlers/support/processes.ts'
import type { Agent } from '../../lab/cluster.ts'
import { onHost } from '../../lab/install.ts'
import { until } from '../../lab/until.ts'
import { Locker } from '../../lock/locker.ts'
import type { Fault, Scene } from '../fault.ts'
import type { Lab } from '../lab.ts'
import { lockedCommand } from '../workers.ts'
import { signal } from './agent.ts'

const job = 'lock/job'

export interface Contest {
  /** The holder, then the waiters. */
  readonly lockers: readonly Locker[]
  readonly end: () => Promise<void>
}

/** Starts one command under the lock on the host, and then one on another host, which waits for it. */
export async function contest(scene: Scene): Promise<Contest> {
  const { lab, agent } = scene
  const other = lab.clients.findLast(client => client !== agent) as Agent
  const first = lock(scene, agent)
  await until('the lock to be taken', async () => (await lab.beats()).some(({ partition }) => partition === job))
  const second = lock(scene, other)
  await second.said('waiting')
  const lockers = [first, second]
  const end = async () => {
    for (const locker of lockers) locker.kill('SIGTERM')
    await Promise.all(lockers.map(({ ended }) => ended))
    // Processes that outlived their lock are already judged by their beats; they must not disturb the next trial.
    for (const { name } of lab.clients) for (const one of under({ lab, name })) signalProcess(one, 'SIGKILL')
  }
  return { lockers, end }
}

/** The processes of the command on a host, found only by their environment. */
function under({ lab, name }: { lab: Lab; name: string }): Process[] {
  const isIts = (pid: number) =>
    variable(pid, 'WATCHBILL_LAB') === lab.cluster.root && variable(pid, 'WATCHBILL_INSTANCE') === `${name}:lock`
  return pids()
    .filter(isIts)
    .flatMap(pid => processOf(pid) ?? [])
}

function lock({ lab }: Scene, agent: Agent): Locker {
  const command = lockedCommand(lab.root, agent.name, job)
  const args = ['job', '--lease', '6s', '--grace', '1s', '--verbose', '--', ...command]
  return new Locker(agent, args, { program: onHost(agent, 'lock'), env: { PATH: process.env.PATH ?? '' } })
}

export const lockFaults: readonly Fault[] = [
  {
    name: 'lock-no-forks', // nothing can be forked on the holder's host, and its agent is stopped
    hits: 'client',
    lasts: 45_000,
    gap: 'any',
    needs: 'pids',
    inject: async scene => {
      const { agent, host } = scene
      const { end } = await contest(scene)
      host.group.mayFork(false)
      await pause(1000)
      signal(agent, 'SIGSTOP')
      return async () => {
        host.group.mayFork(true)
        signal(agent, 'SIGCONT')
        await end()
      }
    },
  },
]
