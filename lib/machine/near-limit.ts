/** Whether the processes of a partition come near to its limits, from the counters of its control groups. */
import { closeSync, openSync, readSync } from 'node:fs'
import { dirname } from 'node:path'
import { goneOrHidden } from './identity.ts'

/** Near from this share on, until it is below the other one: a figure that goes up and down is one warning. */
const near = 0.9
const nearStill = 0.8

/**
 * @param limits the fact of process/limits/apply.ts @param was whether it was near before
 * @returns which limits it is near to, in words; null when none
 */
export function nearWhat(limits: string, was: boolean): string | null {
  const share = was ? nearStill : near
  const found = limits.split('\n').flatMap(line => {
    const [what = '', file = '', limit] = line.split(' ')
    if (what !== 'memory' && what !== 'pids') return []
    const used = what === 'memory' ? workingSet(file) : numberIn(read(file))
    return used !== null && used >= Number(limit) * share ? [`run.${what}, ${limit}`] : []
  })
  return found.length === 0 ? null : found.join(', and ')
}

/** Files in the cache that nobody uses are not counted: the kernel gives them up before it kills. */
function workingSet(file: string): number | null {
  const used = numberIn(read(file))
  const stat = read(`${dirname(file)}/memory.stat`) ?? ''
  const idle = /^total_inactive_file (\d+)$/m.exec(stat) ?? /^inactive_file (\d+)$/m.exec(stat)
  return used === null ? null : used - Number(idle?.[1] ?? 0)
}

/** How often the kernel has killed for memory, as `memory.events` or `memory.oom_control` has it. */
export function killsIn(file: string): number {
  return Number(/^oom_kill (\d+)$/m.exec(read(file) ?? '')?.[1] ?? 0)
}

function numberIn(text: string | null): number | null {
  return text !== null && /^\d+\s*$/.test(text) ? Number(text) : null
}

const room = Buffer.allocUnsafe(16_384)

function read(file: string): string | null {
  let descriptor: number | undefined
  try {
    descriptor = openSync(file, 'r')
    return room.toString('latin1', 0, readSync(descriptor, room, 0, room.length, 0))
  } catch (error) {
    return goneOrHidden(error)
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}
