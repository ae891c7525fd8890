/** The events of changes of the set that nobody asks for: a definition, a source or a scheduler makes them. */
import type { Keys } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { shortened } from '../state/events.ts'
import { recorded } from './asked.ts'
import type { Writing } from './partition-set.ts'

/** What makes a change, before the name of the instance whose program writes it. */
export const definitionOf = 'the definition of '
export const sourceBy = 'the source that is fetched by '
export const schedulerOn = 'the scheduler on '

/** The ids that such an event names. */
const mostFirst = 10

/** What several instances may do at once, each for itself. */
export interface SameChange {
  /** The index of the last change before it. */
  readonly since: number
  readonly added: readonly string[]
  readonly removed?: readonly string[]
}

/**
 * Records changes of the set by a definition or a source: one event for each, with the first ids and their number.
 * @param same what is told, also where another instance has done a part of it already: all of them tell of one event
 */
export function tellsOfSet(consul: Consul, keys: Keys, for_: string, same?: SameChange): NonNullable<Writing['tell']> {
  return (what, changed) => {
    const ids = (what === 'changed' ? undefined : same?.[what]) ?? changed
    const own = same === undefined ? {} : { key: shortened(JSON.stringify([what, same])) }
    const partitions = ids.slice(0, mostFirst)
    return recorded(consul, keys, [{ ...own, what, partitions, more: ids.length - partitions.length }], for_)
  }
}
