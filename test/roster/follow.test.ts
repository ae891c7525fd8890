/** What the plan of a scheduler does to the roster: which entries count now, and who decides about the others. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { noRules } from '../../lib/definition/rules.ts'
import { noPlan, noVariables, type OwnPlan, type PlanPointer } from '../../lib/keys/own-plan.ts'
import { noPlacement } from '../../lib/keys/placement.ts'
import type { Cluster } from '../../lib/look/cluster.ts'
import { plan } from '../../lib/plan/plan.ts'
import { assign, assigned, planUnknown, rulesFor, voidEntries } from '../../lib/roster/assignment.ts'
import { versions } from '../../lib/roster/versions.ts'
import { clusterOf, definition, locals, locks, me, memberOne, other, snapshotOf, third } from '../fixtures/cluster.ts'
import { cases } from '../placement/cases.ts'
import { judgeOf } from '../placement/exhaustive.ts'

const pointer: PlanPointer = {
  ...{ revision: 1, parts: 2, digest: '', content: '', by: me, at: '', withdrawn: null, giveUpMs: 300_000, index: 5 },
}

function planOf(assignment: Record<string, string>, nobody: Record<string, string> = {}): OwnPlan {
  const decided = { assignment: new Map(Object.entries(assignment)), nobody: new Map(Object.entries(nobody)) }
  return {
    ...{ ...decided, revision: 1, by: me, at: '', from: { keys: 1, health: '1' }, log: [], version: null },
    variables: noVariables,
  }
}

const found = (plan: OwnPlan) => ({ ...noPlan, pointer, plan })
const crew = (over: Partial<Parameters<typeof memberOne>[1]> = {}) => [
  memberOne(me, over),
  memberOne(other),
  memberOne(third),
]
const ids = ['0', '1', '2', '3', '4', '5']
const everyPartition = new Set(ids)

async function placed(over: Partial<Cluster>) {
  const cluster = clusterOf({ members: crew(), partitions: everyPartition, ...over })
  const byRules = await rulesFor(cluster)
  const { placed, unplaced } = assign(cluster, versions, byRules)
  return { placed, unplaced, voided: voidEntries(cluster, byRules) }
}

const load = (all: ReadonlyMap<string, string>, name: string) => [...all.values()].filter(one => one === name).length

describe('an entry counts', () => {
  it('whatever the balance', async () => {
    const all = Object.fromEntries(ids.map(id => [id, me]))
    const { placed: owners, voided } = await placed({ ownPlan: found(planOf(all)) })
    assert.equal(load(owners, me), 6)
    assert.deepEqual([...(voided ?? [])], [])
  })

  it('and what the plan leaves out is balanced around it', async () => {
    const { placed: owners } = await placed({ ownPlan: found(planOf({ 0: me, 1: me })) })
    assert.deepEqual([owners.get('0'), owners.get('1')], [me, me])
    assert.deepEqual(
      [me, other, third].map(name => load(owners, name)),
      [2, 2, 2],
    )
  })

  it('also for a partition that another holds', async () => {
    const { placed: owners } = await placed({
      ownPlan: found(planOf({ 0: other })),
      locks: new Map([['0', locks.held(me)]]),
    })
    assert.equal(owners.get('0'), other)
  })

  it('that leaves a partition to nobody, with its reason', async () => {
    const { placed: owners, unplaced } = await placed({ ownPlan: found(planOf({}, { 3: 'no licence' })) })
    assert.equal(owners.has('3'), false)
    assert.equal(unplaced.get('3'), 'the scheduler gives it to nobody: no licence')
    assert.equal(owners.size, 5)
  })

  it('not for a partition that is no longer in the set', async () => {
    const { placed: owners, voided } = await placed({ ownPlan: found(planOf({ gone: me })) })
    assert.equal(owners.size, 6)
    assert.equal(voided?.size, 0)
  })
})

describe('an entry is void, and the ordinary roster decides,', () => {
  const only = { ...noPlacement, rules: { ...noRules, only: [{ attribute: 'meta.zone', in: ['b'] }] } }
  const zoned = (zone: string) => ({ offers: { meta: { zone }, datacenter: '', tags: [] } })
  const zones = [memberOne(me, zoned('a')), memberOne(other, zoned('b')), memberOne(third, zoned('b'))]
  const cases: readonly (readonly [string, Partial<Cluster>, string])[] = [
    ['while its member is drained', { members: crew({ absence: 'drained' }) }, `${me} does not take part`],
    ['while its member does not pass', { members: crew({ absence: 'not passing' }) }, `${me} does not take part`],
    ['when its member is gone', { members: crew().slice(1) }, `${me} does not take part`],
    ['when a rule refuses it by now', { members: zones, placement: only }, `${me} has another meta.zone than b`],
    [
      'when people pinned it',
      { placement: { ...noPlacement, pins: new Map([['0', other]]) } },
      `it is pinned to ${other}`,
    ],
    ['when its member takes nothing', { members: crew({ maxCost: 0.5 }) }, `${me} has no room for it`],
    [
      'during a cool-down',
      { coolDowns: new Map([['0', { instance: me, until: 1, index: 1 }]]) as unknown as Cluster['coolDowns'] },
      `${me} gave it up because of a check`,
    ],
  ]
  for (const [when, over, why] of cases) {
    it(when, async () => {
      const { placed: owners, voided } = await placed({ ownPlan: found(planOf({ 0: me })), ...over })
      assert.equal(voided?.get('0'), why)
      assert.notEqual(owners.get('0'), me)
      assert.equal(owners.size, 6, 'nobody is without an owner')
    })
  }

  it('beyond maxPartitions, and only so many', async () => {
    const all = Object.fromEntries(ids.map(id => [id, me]))
    const { placed: owners, voided } = await placed({
      ownPlan: found(planOf(all)),
      members: crew({ maxPartitions: 2 }),
    })
    assert.equal(load(owners, me), 2)
    assert.equal(voided?.size, 4)
    assert.equal(owners.size, 6)
  })

  it('where it would cost another partition the only place that it may have', async () => {
    const rules = { ...noRules, only: [{ for: '5', attribute: 'instance', in: [me] }] }
    const { placed: owners, voided } = await placed({
      ownPlan: found(planOf({ 0: me })),
      members: crew({ maxPartitions: 1 }),
      placement: { ...noPlacement, rules },
    })
    assert.equal(owners.get('5'), me)
    assert.equal(owners.size, 6)
    assert.match(voided?.get('0') ?? '', /^a:svc has (no room for it|only room that others need)$/)
  })

  it('of nobody, when people pinned it', async () => {
    const { placed: owners, voided } = await placed({
      ownPlan: found(planOf({}, { 0: 'why not' })),
      placement: { ...noPlacement, pins: new Map([['0', other]]) },
    })
    assert.equal(owners.get('0'), other)
    assert.equal(voided?.get('0'), `it is pinned to ${other}`)
  })
})

describe('the plan', () => {
  const four = found(planOf({ 0: me, 1: me, 2: me, 3: me }))

  it('does not count while an instance of an older release is there, and everything goes by the roster', async () => {
    const older = [memberOne(me), memberOne(other), memberOne(third, { roster: 3 })]
    const { placed: owners, voided } = await placed({ ownPlan: four, members: older })
    assert.deepEqual(
      [me, other, third].map(name => load(owners, name)),
      [2, 2, 2],
    )
    assert.equal(voided, null)
  })

  it('stops nobody when an instance of an older release comes, also where it gave partitions to nobody', async () => {
    const assign = { from: { kind: 'command', command: ['/assign'] }, on: [], actions: {} } as const
    const times = { everyMs: 30_000, timeoutMs: 5000, giveUpAfterMs: 300_000 }
    const owner = (id: string) => [me, other, third][Number(id) % 3] as string
    const beside = async (roster: number) => {
      const cluster = clusterOf({
        members: [memberOne(me, { assigns: true }), memberOne(other), memberOne(third, { roster })],
        partitions: everyPartition,
        locks: new Map(ids.map(id => [id, locks.held(owner(id))])),
        ownPlan: found(planOf({ 3: other, 4: me }, { 0: 'no licence', 5: 'no licence' })),
      })
      const local = new Map(ids.filter(id => owner(id) === me).map(id => [id, locals.running()]))
      const defined = { ...definition, assign: { ...assign, ...times } }
      const { placed } = await assigned(cluster)
      const { steps } = plan(snapshotOf({ ...cluster, anyAssigning: true, local, definition: defined }), placed)
      return { placed, steps: steps.map(step => ('partition' in step ? `${step.do} ${step.partition}` : step.do)) }
    }
    const { placed: owners, steps } = await beside(3)
    assert.deepEqual(Object.fromEntries(owners), Object.fromEntries(ids.map(id => [id, owner(id)])))
    assert.deepEqual(steps, [])
    assert.deepEqual((await beside(4)).steps, ['release 0', 'release 3'], 'the plan counts once it is upgraded')
  })

  it('counts beside an older one that is drained', async () => {
    const older = [memberOne(me), memberOne(other), memberOne(third, { roster: 3, absence: 'drained' })]
    const { placed: owners } = await placed({
      ownPlan: four,
      members: older,
      settings: { drained: [third], held: [], epoch: 0 },
    })
    assert.deepEqual(
      [me, other, third].map(name => load(owners, name)),
      [4, 2, 0],
    )
  })

  it('does not count once it was withdrawn', async () => {
    const { placed: owners } = await placed({ ownPlan: { ...noPlan, pointer: { ...pointer, withdrawn: 'why' } } })
    assert.deepEqual(
      [me, other, third].map(name => load(owners, name)),
      [2, 2, 2],
    )
  })

  it('moves nothing while it cannot be read', async () => {
    const held = new Map(ids.slice(0, 5).map(id => [id, locks.held(me)]))
    const { placed: owners, unplaced } = await placed({
      ownPlan: { ...noPlan, pointer, problem: 'its parts are missing' },
      locks: held,
    })
    assert.equal(load(owners, me), 5)
    assert.deepEqual([...unplaced], [['5', planUnknown]])
  })

  it('does not move what a frozen service has', async () => {
    const freeze = { frozen: true, by: 'hand', why: '', since: '', lost: [], of: 0, thawed: new Map(), index: 1 }
    const { placed: owners } = await placed({
      ownPlan: four,
      locks: new Map(ids.map(id => [id, locks.held(other)])),
      freeze: { ...freeze, rule: { lost: 0, settleMs: 0 } } as Cluster['freeze'],
    })
    assert.equal(load(owners, other), 6)
  })

  it('moves no more at a time than moves.atOnce', async () => {
    const calm = { movesAtOnce: 1 }
    const { placed: owners } = await placed({
      ownPlan: four,
      members: crew().map(member => ({ ...member, calm })),
      locks: new Map(ids.map(id => [id, locks.held(other)])),
    })
    assert.equal(load(owners, me) + load(owners, third), 1)
  })

  it('says nothing of a partition that people stopped', async () => {
    const { placed: owners, unplaced } = await placed({
      ownPlan: four,
      settings: { drained: [], held: ['0'], epoch: 0 },
    })
    assert.equal(owners.has('0'), false)
    assert.equal(unplaced.get('0'), 'stopped by hand')
  })
})

describe('with any plan, any rules and any members', () => {
  const names = (count: number) => Array.from({ length: count }, (_, at) => `n${at}:svc`)
  const any = cases({ members: 4, partitions: 7, hard: true }).chain(asked =>
    fc.record({
      asked: fc.constant(asked),
      entries: fc.dictionary(fc.constantFrom(...asked.partitions), fc.constantFrom(...names(5))),
      nobody: fc.array(fc.constantFrom(...asked.partitions), { maxLength: 2 }),
    }),
  )

  it('every hard rule holds, as many are placed as without, and a second look changes nothing', () =>
    fc.assert(
      fc.asyncProperty(any, async ({ asked, entries, nobody }) => {
        const left = Object.fromEntries(nobody.map(id => [id, 'why']))
        const assignment = Object.fromEntries(Object.entries(entries).filter(([id]) => !nobody.includes(id)))
        const members = asked.members.map(one => memberOne(one.instance, one))
        const base = {
          members,
          partitions: new Set(asked.partitions),
          placement: { ...noPlacement, rules: asked.rules, pins: asked.pins },
          traits: asked.traits,
        }
        const by = async (owners: ReadonlyMap<string, string>, ownPlan: Cluster['ownPlan']) => {
          const held = [...owners].map(([id, instance]) => [id, locks.held(instance)] as const)
          const cluster = clusterOf({ ...base, locks: new Map(held), ownPlan })
          return assign(cluster, versions, await rulesFor(cluster))
        }
        const first = await by(asked.holders, found(planOf(assignment, left)))
        const rest = asked.partitions.filter(id => !nobody.includes(id) || first.placed.has(id))
        const judge = judgeOf({ ...asked, partitions: rest })
        assert.ok(judge.score(new Map(first.placed)) !== null, 'a hard rule does not hold')
        const without = await by(asked.holders, found(planOf({}, left)))
        assert.ok(first.unplaced.size <= without.unplaced.size, 'an entry costs a partition its place')
        const second = await by(first.placed, found(planOf(assignment, left)))
        const third = await by(second.placed, found(planOf(assignment, left)))
        assert.deepEqual([...third.placed].sort(), [...second.placed].sort())
      }),
      { numRuns: 300 },
    ))
})
