/** Passes on what the guard has seen to hooks and checks. */

import { bootClock } from '../base/clock.ts'
import { isRegistered } from '../checks/catalog.ts'
import { areRegistrationsStale } from '../checks/stale.ts'
import type { Definition } from '../definition/definition.ts'
import { tellIsolated } from '../hooks/instance.ts'
import { isAnythingNew } from '../hooks/lifecycle.ts'
import { writeFact } from '../state/facts.ts'
import type { Local } from '../state/local.ts'
import { withReadiness } from '../state/ready.ts'
import type { Self } from '../state/self.ts'

/** @param unanswered null when Consul answered; otherwise why not, and whether the lease is over and nothing runs */
export function afterTick(
  here: Self,
  definition: Definition,
  local: ReadonlyMap<string, Local>,
  unanswered: { readonly over: boolean; readonly why: string } | null,
): void {
  const { isolated, rejoined } = definition.hooks
  if (isolated || rejoined) {
    if (unanswered === null) tellIsolated(here, definition, false, 'Consul answers')
    else if (unanswered.over) tellIsolated(here, definition, true, unanswered.why)
  }
  const ready = () => withReadiness(here.files, local, definition)
  const stale = isRegistered(definition) && areRegistrationsStale(here.files, ready())
  if (stale || isAnythingNew(here.files, definition, local)) writeFact(here.files.checksDue, String(bootClock()))
}
