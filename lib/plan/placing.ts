/** What this instance does for the rules of placement of its service. Pure. */

import { pointersOf } from '../definition/rules.ts'
import { hasRules, mayPropose } from '../keys/placement.ts'
import { markOf } from '../keys/traits.ts'
import type { Snapshot } from '../look/snapshot.ts'
import type { Step } from './step.ts'

export function placingSteps(snapshot: Snapshot): Step[] {
  const { definition, placement, placementProblem, settings } = snapshot
  const steps: Step[] = []
  if (definition.placement && placementProblem === null && mayPropose(placement, definition.placement.digest))
    steps.push({ do: 'propose', digest: definition.placement.digest })
  if (!hasRules(placement)) return steps
  const older = snapshot.members.filter(
    ({ roster, absence, instance }) =>
      roster < placement.needs && absence !== 'leaving' && !settings.drained.includes(instance),
  )
  if (older.length > 0) steps.push({ do: 'drainOlder', instances: older.map(({ instance }) => instance).sort() })
  const pointers = pointersOf(placement.rules)
  if (pointers.length > 0 && snapshot.traitsMark !== markOf(snapshot, pointers) && isFirst(snapshot, placement.needs))
    steps.push({ do: 'readTraits' })
  return steps
}

/** One reads the documents for all: the first by name of those that know the rules. */
function isFirst({ members, instance }: Snapshot, needs: number): boolean {
  const able = members.filter(
    ({ roster, absence }) => roster >= needs && absence !== 'leaving' && absence !== 'not passing',
  )
  return able.some(one => one.instance === instance) && able.every(one => instance <= one.instance)
}
