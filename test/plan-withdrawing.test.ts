/** When the plan of a scheduler is withdrawn for good, by whoever sees it first. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { noPlan, noVariables, type PlanPointer } from '../lib/keys/own-plan.ts'
import type { Snapshot } from '../lib/look/snapshot.ts'
import { nobodyAssigns } from '../lib/look/stood.ts'
import { plan } from '../lib/plan/plan.ts'
import { me, memberOne, now, other, snapshotOf } from './fixtures/cluster.ts'

const pointer: PlanPointer = {
  ...{ revision: 1, parts: 2, digest: '', content: '', by: me, at: '', withdrawn: null, giveUpMs: 300_000, index: 5 },
}
const decided = {
  ...{ revision: 1, assignment: new Map([['0', other]]), nobody: new Map<string, string>(), version: null, by: me },
  ...{ variables: noVariables, at: '', from: { keys: 1, health: '1' }, log: [] },
}
const found = { ...noPlan, pointer, plan: decided }
const assigning = [memberOne(me, { assigns: true }), memberOne(other)]

const why = (over: Partial<Snapshot>) =>
  plan(snapshotOf({ ownPlan: found, anyAssigning: true, members: assigning, ...over }), new Map()).steps.flatMap(
    step => (step.do === 'withdrawPlan' ? step.why : []),
  )

describe('a plan', () => {
  const rows: readonly (readonly [string, Partial<Snapshot>, string[]])[] = [
    ['stays while a member has a scheduler', {}, []],
    ['ends when no definition has one', { anyAssigning: false }, ['no definition has a scheduler any more']],
    ['that cannot be read ends at once', { ownPlan: { ...found, plan: null, problem: 'gone' } }, ['gone']],
    [
      'that was withdrawn is not withdrawn again',
      { anyAssigning: false, ownPlan: { ...noPlan, pointer: { ...pointer, withdrawn: 'x' } } },
      [],
    ],
    ['stays while who has a scheduler is away', { stood: new Map([[nobodyAssigns, now - 299_000]]) }, []],
    [
      'ends when they stay away for giveUpAfter',
      { stood: new Map([[nobodyAssigns, now - 300_000]]) },
      ['no instance that has a scheduler takes part'],
    ],
    ['that was never there is no plan', { ownPlan: noPlan, anyAssigning: false }, []],
  ]
  for (const [what, over, expected] of rows) it(what, () => assert.deepEqual(why(over), expected))
})
