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
  const known = knowing(snapshot)
  if (known.length > 0) steps.push({ do: 'undrainOlder', instances: known })
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

/** Those that were drained for their release, and need not be any more. While the key is garbled it may hold rules. */
function knowing({ members, placement, placementProblem, settings: { older = [] } }: Snapshot): string[] {
  if (older.length === 0 || placementProblem !== null) return []
  const needs = hasRules(placement) ? placement.needs : null
  const able = new Set(members.flatMap(({ instance, roster }) => (needs !== null && roster >= needs ? [instance] : [])))
  return older.filter(instance => needs === null || able.has(instance))
}

/** One reads the documents for all: the first by name of those that know the rules. */
function isFirst({ members, instance }: Snapshot, needs: number): boolean {
  const able = members.filter(
    ({ roster, absence }) => roster >= needs && absence !== 'leaving' && absence !== 'not passing',
  )
  return able.some(one => one.instance === instance) && able.every(one => instance <= one.instance)
}
