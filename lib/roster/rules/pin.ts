/** `watchbill pin`: while the instance takes part, no other may have the partition. It overrides no other hard rule. */

import type { Refusal } from './attribute.ts'

/** The words for all members but the instance. */
export function notPinned(instance: string): Refusal {
  return { one: `is not ${instance}, to which it is pinned`, many: `are not ${instance}, to which it is pinned` }
}
