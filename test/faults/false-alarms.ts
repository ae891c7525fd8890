/** Faults that should end no process: how many processes run through them. */
import type { Fault } from './fault.ts'
import { isWhole, type Played } from './play.ts'
import { faultsNamed } from './registry.ts'

/** The share of the processes that must run through. */
const bar = 0.95

/** The share is judged over all trials together, at the end. */
export const falseAlarms: readonly Fault[] = faultsNamed(['session-destroyed', 'server-cut', 'leader-cut']).map(
  fault => ({ ...fault, gap: 'takeover' }),
)

export function ranThrough(played: readonly Played[]): { lines: string[]; ok: boolean } {
  const kinds = Map.groupBy(played.filter(isWhole), ({ faultNames }) => faultNames.join(' + '))
  const lines = [...kinds].map(([name, outcomes]) => share(name, outcomes).line)
  const all = share('all', [...kinds.values()].flat())
  return { lines: [...lines, `${all.line}; at least ${100 * bar} % must`], ok: all.share >= bar }
}

function share(name: string, outcomes: readonly { before: number; ranThrough: number }[]) {
  const before = outcomes.reduce((sum, outcome) => sum + outcome.before, 0)
  const after = outcomes.reduce((sum, outcome) => sum + outcome.ranThrough, 0)
  const share = before === 0 ? 0 : after / before
  return { share, line: `${name}: ${after} of ${before} processes ran through, ${(100 * share).toFixed(1)} %` }
}
