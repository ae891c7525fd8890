/** After a look and its steps: tells the hooks, and has the checks run soon when something changed. */

import { bootClock } from '../base/clock.ts'
import { isRegistered } from '../checks/catalog.ts'
import { tellJoined, tellLost, tellRebalanced } from '../hooks/instance.ts'
import type { Snapshot } from '../look/snapshot.ts'
import type { Step } from '../plan/step.ts'
import { writeFact } from '../state/facts.ts'
import type { Run } from '../state/self.ts'

export async function afterLook(run: Run, snapshot: Snapshot, steps: readonly Step[]): Promise<void> {
  const { definition, session } = snapshot
  if (session !== null) tellJoined(run, definition, session)
  if (definition.hooks.rebalanced) tellRebalanced(run, snapshot, steps)
  if (definition.hooks.lost) await tellLost(run, snapshot)
  // Other partitions run now: attend must register them, run their checks and tell hooks of them.
  if (steps.length > 0 && (isRegistered(definition) || Object.keys(definition.hooks).length > 0))
    writeFact(run.files.checksDue, String(bootClock()))
}
