/** Whole clusters in virtual time, in which every instance has a clock. Without this edit only those with three partitions have. */
import { it } from 'node:test'
import fc from 'fast-check'
import { actionsOf } from './actions.ts'
import { loadLib } from './load.ts'
import { neverTwoOwners } from './properties.ts'
import { runs } from './runs.ts'

const lib = await loadLib({
  name: 'a clock for every instance',
  file: 'state/clock.ts',
  edits: [['fewestShepherds = 3', 'fewestShepherds = 1']],
})

it('a cluster in which every instance has a clock never has two owners, and ends with exactly one owner', async () => {
  const kinds = [
    ...(['clock killed', 'clock stopped', 'clock hung', 'cut', 'cut and session destroyed'] as const),
    ...(['agent killed', 'host frozen', 'session destroyed', 'shepherd stopped', 'terms changed'] as const),
    ...(['clock begins anew', 'drained', 'drain over', 'disk full', 'lease torn'] as const),
  ]
  await fc.assert(neverTwoOwners(lib, actionsOf(kinds)), runs(40))
})
