/** One line in the log for what goes wrong with figures: it stays wrong for hours, and each tick finds it so. */
import { readFact, writeFact } from '../facts.ts'
import type { InstanceFiles } from '../paths.ts'

/** A problem is told again after this time, and another one a minute after the last, ms. */
const again = 3_600_000
const minute = 60_000

/**
 * @param problem in words that stay the same while it does
 * @param now boot clock, ms @param every how often it may be found, ms
 * @returns whether it was logged
 */
export function sayOnce(
  { figuresProblem }: Pick<InstanceFiles, 'figuresProblem'>,
  problem: string,
  { now, every }: { readonly now: number; readonly every: number },
  log: (line: string) => void,
): boolean {
  try {
    const [at, ...before] = readFact(figuresProblem)?.split(' ') ?? []
    const age = now - Number(at)
    const isSame = before.join(' ') === problem
    if (age >= 0 && age < (isSame ? again : minute)) return false
    writeFact(figuresProblem, `${now} ${problem}`)
  } catch {
    // Where that cannot be written down, the first of each minute may speak.
    if (Math.floor(now / minute) === Math.floor((now - every) / minute)) return false
  }
  log(problem)
  return true
}
