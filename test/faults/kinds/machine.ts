/** What the machine refuses. */
import type { Fault } from '../fault.ts'
import { restart } from './agent.ts'

export const machineFaults: readonly Fault[] = [
  {
    name: 'no-forks', // a full pids.max: no process, no thread more on the host
    hits: 'client',
    lasts: 45_000,
    gap: 'takeover',
    needs: 'pids',
    inject: async scene => {
      const { group } = scene.host
      group.mayFork(false)
      return async () => {
        group.mayFork(true)
        await restart(scene) // it may have ended for want of a thread
      }
    },
  },
]
