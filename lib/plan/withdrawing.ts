/** When the plan of a scheduler ends for good, and the ordinary roster takes over for all. Pure. */

import type { Snapshot } from '../look/snapshot.ts'
import { nobodyAssigns } from '../look/stood.ts'
import type { Step } from './step.ts'

/**
 * Null while the plan stays. Whoever sees it first does it, by check-and-set. A scheduler that fails withdraws its own: see
 * scheduler/schedule.ts.
 */
export function withdrawStep(snapshot: Snapshot): Step | null {
  const { pointer, problem } = snapshot.ownPlan
  if (pointer === null || pointer.withdrawn !== null) return null
  // Whoever knows the plan goes on by it until then, and whoever cannot read it moves nothing: it must not last.
  if (problem !== null) return { do: 'withdrawPlan', why: problem }
  if (!snapshot.anyAssigning) return { do: 'withdrawPlan', why: 'no definition has a scheduler any more' }
  const since = snapshot.stood.get(nobodyAssigns) ?? Number.POSITIVE_INFINITY
  if (snapshot.now < since + pointer.giveUpMs) return null
  return { do: 'withdrawPlan', why: 'no instance that has a scheduler takes part' }
}
