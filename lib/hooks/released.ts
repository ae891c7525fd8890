/** Tells the end of a partition's time here. Kept small, because programs that give locks back load it. */

import { reason } from '../base/errors.ts'
import type { Definition } from '../definition/definition.ts'
import type { Run } from '../state/self.ts'
import { tellsOfPartitions } from './event.ts'
import { inOrder } from './in-order.ts'
import { tellNext } from './lifecycle.ts'

/**
 * Call it before the facts are removed: if the program is killed in between, the event is told again with the same id.
 */
export function tellReleased(run: Run, definition: Definition, partition: string, why: string): void {
  if (!tellsOfPartitions(definition)) return
  const details = { Reason: why }
  try {
    inOrder(run.files, () => tellNext(run, definition, partition, { event: 'released', details }))
  } catch (error) {
    // A lost hook must not delay giving the lock back.
    run.log(`released ${partition}: the hook is lost: ${reason(error)}`)
  }
}
