/** The end of a partition's time here. Small: whoever gives locks back loads it. */

import { reason } from '../base/errors.ts'
import type { Definition } from '../definition/definition.ts'
import type { Run } from '../state/self.ts'
import { tellsOfPartitions } from './event.ts'
import { inOrder } from './in-order.ts'
import { tellNext } from './lifecycle.ts'

/** Before its facts are removed: killed in between, it is told again with the same id. */
export function tellReleased(run: Run, definition: Definition, partition: string, why: string): void {
  if (!tellsOfPartitions(definition)) return
  const details = { Reason: why }
  try {
    inOrder(run.files, () => tellNext(run, definition, partition, { event: 'released', details }))
  } catch (error) {
    run.log(`released ${partition}: the hook is lost: ${reason(error)}`) // what is given back must not be kept for it
  }
}
