/** The fields of a definition file that say what happens while a machine is cut off: see docs/cut-off.md. */
import * as z from 'zod/mini'
import { about, commandShape, fields, give, giveUnseen } from './fields.ts'

const countWanted = give('a whole number from 0 to 100000')
const count = () => z.int(countWanted).check(z.gte(0, countWanted), z.lte(100_000, countWanted))

const standIn = fields({
  run: about(
    commandShape(),
    'The command of one process, run while the instance is cut off; {node}, {instance} and {service} are replaced.',
    ['/usr/local/bin/local-cache'],
  ),
  atLeast: z.optional(
    about(
      count(),
      'Only while its agent sees at least so many members of the data center alive, itself among them.',
      1,
    ),
  ),
  atMost: z.optional(
    about(count(), 'Only while its agent sees at most so many members of the data center alive, itself among them.', 2),
  ),
})

export const isolated = {
  whenIsolated: z.optional(
    about(
      z.union(
        [z.enum(['stop', 'keep']), standIn],
        giveUnseen('"stop", "keep", or {"run": ["program"], "atLeast": 1, "atMost": 2}'),
      ),
      'What happens while this machine is cut off from Consul. "stop": all processes end with their lease. "keep": they go ' +
        'on, although others take over, so that a partition may run twice until the machine is back. {"run": […]}: they ' +
        'end, and one other process runs until the machine is back.',
      'keep',
      { run: ['/usr/local/bin/local-cache'] },
    ),
  ),
  onBoot: z.optional(
    about(
      z.enum(['keep'], give('"keep", or leave it out')),
      'With "whenIsolated": "keep" only. "keep": what this machine had is started again after a boot, also while Consul cannot ' +
        'be reached.',
      'keep',
    ),
  ),
}

type File = {
  readonly whenIsolated?: 'stop' | 'keep' | { run: string[]; atLeast?: number; atMost?: number } | undefined
}

const ofPartitions = ['{partition}', '{token}', '{version}']

/** What is wrong with a stand-in, and where; null when nothing is. */
export function standInFault({ whenIsolated }: File): { readonly path: string; readonly message: string } | null {
  if (typeof whenIsolated !== 'object') return null
  const { run, atLeast, atMost } = whenIsolated
  const word = ofPartitions.find(one => run.some(argument => argument.includes(one)))
  if (word !== undefined) return { path: 'run', message: `has ${word}, but a stand-in has no partition; remove it` }
  if (atLeast === undefined || atMost === undefined || atLeast <= atMost) return null
  return { path: 'atLeast', message: `is above atMost, so that it would never run; give at most ${atMost}` }
}
