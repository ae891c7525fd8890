/** Machines that are powered off, in virtual time: what others take early, nobody runs any more. */
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { actionsOf } from './actions.ts'
import { loadLib } from './load.ts'
import { neverTwoOwners } from './properties.ts'
import { runs } from './runs.ts'

const lib = await loadLib()

describe('a cluster in which machines are powered off', () => {
  it('never has two owners, whatever the commands do, how long they take, and whoever fails meanwhile', async () => {
    const kinds = ['cut and powered off', 'cut and session destroyed', 'host rebooted', 'drained'] as const
    await fc.assert(neverTwoOwners(lib, actionsOf(kinds)), runs(20))
  })
})
