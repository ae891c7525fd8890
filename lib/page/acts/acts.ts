/** All acts. A new one is an entry in a file of its subject, and a name here. */
import type { Act } from '../act.ts'
import { askOne } from './ask.ts'
import { drain, evictOne, undrain } from './instances.ts'
import { hold, pin, restart, unhold, unpin } from './partitions.ts'
import { rollIt, rollOrders } from './roll.ts'
import { freeze, purgeIt, scaleIt, sync, thaw } from './services.ts'

const all: readonly Act<unknown>[] = [
  ...[drain, undrain, evictOne],
  ...[restart, hold, unhold, pin, unpin],
  ...[scaleIt, freeze, thaw, sync, purgeIt],
  ...[rollIt, ...rollOrders, askOne],
]

export const acts: ReadonlyMap<string, Act<unknown>> = new Map(all.map(one => [one.name, one]))
