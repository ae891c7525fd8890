/** The end of a partition's time here. Small: whoever gives locks back loads it. */
import type { Context } from '../context.ts'
import type { Definition } from '../definition/definition.ts'
import { reason } from '../errors.ts'
import { readFact } from '../state/facts.ts'
import { eventOf } from './event.ts'
import { enqueue } from './queue.ts'

/** Before its facts are removed: killed in between, it is told again with the same id. */
export function tellReleased(context: Context, definition: Definition, partition: string, why: string): void {
  if (!definition.hooks.released) return
  const { acquisition, releasing } = context.files.partition(partition)
  const id = readFact(acquisition) ?? readFact(releasing)
  if (id === null) return
  const details = { Reason: why }
  try {
    enqueue(context.files, definition, eventOf({ id: `${id}.released`, event: 'released', partition, details }))
  } catch (error) {
    context.log(`released ${partition}: the hook is lost: ${reason(error)}`) // what is given back must not be kept for it
  }
}
