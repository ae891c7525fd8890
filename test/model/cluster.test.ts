/**
 * Whole clusters in virtual time, with faults at every step. lib itself runs (roster, plan, act, guard and the rest) on
 * virtual machines and a model of Consul. A counterexample is printed as sentences that say what happened.
 */
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { actionsInOrder, actionsOf } from './actions.ts'
import { loadLib } from './load.ts'
import { goesOnWhileCutOff, neverTwoOwners, nobodyIsStopped, nobodyIsWaitedFor } from './properties.ts'
import { runs } from './runs.ts'

const lib = await loadLib()
const versions = { pattern: '^\\d+\\.\\d+$', first: '1.0' }

describe('a cluster in which anything may go wrong', { concurrency: 1 }, () => {
  it('never has two owners of a partition, and ends with exactly one owner', async () => {
    await fc.assert(neverTwoOwners(lib), runs(100))
  })

  it('never has two owners when one process has all partitions of an instance', async () => {
    await fc.assert(neverTwoOwners(lib, undefined, { per: 'instance' }), runs(100))
  })

  it('stops no process because of answers that are garbled, late or lost', async () => {
    const kinds = ['answer garbled', 'answer late', 'answer lost', 'read held back', 'write held back'] as const
    // Each fault may spoil a whole tick of 1.4 s, and the next tick comes 2 s later: three in a row outlast the lease.
    await fc.assert(nobodyIsStopped(lib, kinds, 'partition', 2), runs(50))
  })

  it('executes nothing that a value in Consul chose', async () => {
    const kinds = ['hostile write', 'session destroyed', 'drained', 'drain over'] as const
    // No value can cause a wait longer than 5 min.
    await fc.assert(neverTwoOwners(lib, actionsOf(kinds), { within: 320_000 }), runs(50))
  })

  it('stops no process because of a full disk', async () => {
    await fc.assert(nobodyIsStopped(lib, ['disk full']), runs(20))
  })

  it('never hands out a lower token, whatever happens to the epoch', async () => {
    const kinds = ['epoch raised', 'drained', 'drain over', 'state directory removed', 'session destroyed'] as const
    await fc.assert(neverTwoOwners(lib, actionsOf(kinds)), runs(50))
  })

  it('removes no partition from the set because one definition lacks it', async () => {
    const kinds = ['definition shrunk', 'terms changed', 'drained', 'drain over', 'left', 'joined'] as const
    await fc.assert(neverTwoOwners(lib, actionsOf(kinds)), runs(30))
  })

  it('takes nothing that others lost while it is frozen, and shrinks no set', async () => {
    const kinds = ['frozen', 'thawed', 'scaled', 'cut', 'session destroyed', 'host rebooted', 'drained'] as const
    await fc.assert(neverTwoOwners(lib, actionsOf(kinds)), runs(50))
  })

  it('brings the set to its number, whoever is cut off and whatever fails meanwhile', async () => {
    const kinds = ['scaled', 'scale reset', 'cut', 'program fails', 'partition added', 'left', 'joined'] as const
    await fc.assert(neverTwoOwners(lib, actionsOf(kinds)), runs(50))
  })

  it('runs each partition in the version that its lock says, and never twice, while roll-outs come and go', async () => {
    const kinds = ['rolled', 'session destroyed', 'cut', 'program fails', 'drained', 'answer lost', 'left'] as const
    await fc.assert(neverTwoOwners(lib, actionsOf(kinds), { calm: { versions } }), runs(50))
  })

  it('never has two owners while roll-outs end the one process of an instance', async () => {
    const kinds = ['rolled', 'session destroyed', 'cut', 'program fails', 'drained', 'worker killed'] as const
    await fc.assert(neverTwoOwners(lib, actionsOf(kinds), { per: 'instance', calm: { versions } }), runs(30))
  })

  it('takes nothing early that waits for an instance that is away', async () => {
    const kinds = ['cut', 'agent killed', 'session destroyed', 'host rebooted', 'drained', 'left', 'joined'] as const
    await fc.assert(neverTwoOwners(lib, actionsOf(kinds), { calm: { wait: '60s' }, within: 170_000 }), runs(50))
  })

  it('comes to the same end when one partition moves at a time', async () => {
    const kinds = ['drained', 'drain over', 'left', 'joined', 'cut', 'program fails', 'scaled', 'frozen'] as const
    await fc.assert(neverTwoOwners(lib, actionsOf(kinds), { calm: { moves: { atOnce: 1 } } }), runs(50))
  })

  it('waits for nobody that is drained or leaves', async () => {
    for (const kinds of [['cut', 'drained'], ['cut while it leaves']] as const)
      await fc.assert(nobodyIsWaitedFor(lib, actionsInOrder(kinds.map(kind => [kind, 0] as const))), runs(15))
  })

  it('never has two owners while rules of placement and pins come and go', async () => {
    const kinds = ['rules put in force', 'pinned', 'rules over', 'cut and session destroyed', 'drained'] as const
    await fc.assert(neverTwoOwners(lib, actionsOf(kinds)), runs(50))
  })

  it('never has two owners while plans of a scheduler come, go, and are spoilt', async () => {
    const kinds = [
      'plan put in force',
      'plan over',
      'pinned',
      'cut and session destroyed',
      'drained',
      'program fails',
    ] as const
    const assign = { command: ['./assign'] }
    await fc.assert(neverTwoOwners(lib, actionsOf(kinds), { calm: { assign } }), runs(30))
  })

  it('goes on while cut off where that is asked for, and ends with exactly one owner', async () => {
    await fc.assert(goesOnWhileCutOff(lib, actionsOf(['cut'])), runs(20))
  })

  it('lets what goes on while cut off run beside its successor no longer than that', async () => {
    const kinds = [
      'cut',
      'session destroyed',
      'cut and session destroyed',
      'drained',
      'drain over',
      'agent killed',
    ] as const
    const more = [
      'host rebooted',
      'host frozen',
      'program fails',
      'answer lost',
      'lock deleted',
      'left',
      'joined',
    ] as const
    const keep = { calm: { whenIsolated: 'keep' } } as const
    await fc.assert(neverTwoOwners(lib, actionsOf([...kinds, ...more]), keep), runs(30))
  })

  it('stops no process because of a false alarm', async () => {
    await fc.assert(nobodyIsStopped(lib, ['session destroyed', 'strangers come']), runs(30))
  })

  for (const kinds of [
    ['session destroyed', 'strangers come'],
    ['lock overwritten', 'lock deleted'],
  ] as const) {
    it(`does not stop the one process for all partitions because of: ${kinds.join(', ')}`, async () => {
      await fc.assert(nobodyIsStopped(lib, kinds, 'instance'), runs(20))
    })
  }

  it('never has two owners of a partition whose lock is deleted, however often', async () => {
    const kinds = ['lock deleted', 'cut and session destroyed'] as const
    await fc.assert(neverTwoOwners(lib, actionsOf(kinds)), runs(60))
  })

  it('stops no process because its locks are overwritten or deleted', async () => {
    const kinds = ['lock overwritten', 'lock overwritten as clean', 'lock deleted'] as const
    await fc.assert(nobodyIsStopped(lib, kinds), runs(50))
  })
})
