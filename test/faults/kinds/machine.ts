/** Faults of the machine's limits. */
import type { Fault } from '../fault.ts'
import { restart } from './agent.ts'

export const machineFaults: readonly Fault[] = [
  {
    name: 'no-forks', // pids.max is reached: the host starts no more processes or threads
    hits: 'client',
    lasts: 45_000,
    gap: 'takeover',
    needs: 'pids',
    inject: async scene => {
      const { group } = scene.host
      group.mayFork(false)
      return async () => {
        group.mayFork(true)
        await restart(scene) // the agent may have ended because it got no thread
      }
    },
  },
]
