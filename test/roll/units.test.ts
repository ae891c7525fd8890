import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { PartitionHealth } from '../../lib/keys/health.ts'
import type { Lock } from '../../lib/keys/lock.ts'
import type { Report } from '../../lib/keys/report.ts'
import type { Ran } from '../../lib/roll/meant.ts'
import { type Unit, unitsOf } from '../../lib/roll/units.ts'
import { clusterOf, heldBy, locks, me, memberOne, other } from '../fixtures/cluster.ts'
import { rollOf } from './records.ts'

const versions = { pattern: '^.*$', prepared: null }
const members = [memberOne(me, { versions }), memberOne(other, { versions })]
const settings = { drained: [], held: [], epoch: 0, version: '1.0' }
const lockOf = (instance: string, ran: Ran, over: Partial<Lock> = {}) =>
  locks.held(instance, { held: heldBy(instance, ran), ...over })
const old = { version: '1.0' }
const fresh = { version: '2.0', roll: 'r1' }
const well: PartitionHealth = { index: 100, startedFor: 9000, readyFor: 8000, restarts: 1, instance: me, at: '' }

interface Shown {
  readonly health?: ReadonlyMap<string, PartitionHealth>
  readonly reports?: ReadonlyMap<string, Report>
  readonly leavesOut?: ReadonlySet<string>
}

function unit(cluster: Parameters<typeof clusterOf>[0], shown: Shown = {}, over = {}): Unit {
  const told = { health: new Map(), reports: new Map(), leavesOut: new Set<string>(), ...shown }
  return unitsOf(
    clusterOf({ members, settings, partitions: new Set(['0']), ...cluster }),
    told,
    rollOf(over),
  )[0] as Unit
}

describe('a partition, as a roll-out sees it', () => {
  const held = (ran: Ran) => ({ locks: new Map([['0', lockOf(me, ran)]]) })
  const health = new Map([['0', well]])

  it('is well while its holder says that it is ready', () => {
    const { available, readyFor, restarts, instance } = unit(held(old), { health })
    assert.deepEqual(
      { available, readyFor, restarts, instance },
      { available: true, readyFor: 8000, restarts: 1, instance: me },
    )
  })
  it('is not available while its holder says nothing of its present acquisition', () => {
    assert.equal(unit(held(old)).available, false)
  })
  it('is not available while nobody holds it, whatever somebody said', () => {
    const free = { locks: new Map([['0', lockOf(me, old, { session: null })]]) }
    const found = unit(free, { health })
    assert.deepEqual([found.available, found.instance, found.notNew], [false, null, []])
  })
  it('tells what runs in the new version from what does not', () => {
    const rows: [Ran, string[], string[]][] = [
      [old, ['0'], []],
      [fresh, [], ['0']],
      [{ version: '2.0' }, ['0'], ['0']],
      [{ version: '2.0', roll: 'r0' }, ['0'], ['0']],
      [{ version: '3.0', roll: 'r1' }, ['0'], ['0']],
    ]
    for (const [ran, notNew, notOld] of rows) {
      const found = unit(held(ran), { health })
      assert.deepEqual([found.notNew, found.notOld], [notNew, notOld], JSON.stringify(ran))
    }
  })
  it('has nothing to change where the roll-out is not for it', () => {
    const found = unit(held(old), { health }, { only: 'x' })
    assert.deepEqual([found.covered, found.notNew, found.notOld, found.available], [false, [], [], true])
  })
  it('is left out while it is stopped on purpose', () => {
    const told = { health: new Map(), reports: new Map(), leavesOut: new Set<string>() }
    const cluster = clusterOf({ members, settings: { ...settings, held: ['0'] }, partitions: new Set(['0']) })
    assert.deepEqual(unitsOf(cluster, told, rollOf()), [])
  })
  it('is well when it has finished, and its definition starts it no more', () => {
    const reports = new Map([[me, { 0: 'finished: exit 0' }]])
    assert.equal(unit(held(fresh), { reports }).available, true)
  })
  it('fails in the words of its holder', () => {
    const reports = new Map([[me, { 0: 'crash-looping since 1: exit 1' }]])
    assert.equal(unit(held(fresh), { reports }).failing, 'crash-looping since 1: exit 1')
    assert.equal(unit(held(fresh), { reports: new Map([[other, { 0: 'crash-looping' }]]) }).failing, null)
  })
  it('counts as well where its holder has more than it can publish, unless that says otherwise', () => {
    const leavesOut = new Set([me])
    assert.equal(unit(held(fresh), { leavesOut }).available, true)
    assert.equal(unit(held(fresh), { leavesOut, reports: new Map([[me, { 0: 'failing: x' }]]) }).available, false)
  })
  it('has another life with each acquisition, and with each version', () => {
    const lives = [lockOf(me, old), lockOf(me, fresh, { modifyIndex: 101 })].map(
      one => unit({ locks: new Map([['0', one]]) }).life,
    )
    assert.equal(new Set(lives).size, 2)
  })
})

describe('an instance, as a roll-out sees it', () => {
  const all = (health: ReadonlyMap<string, PartitionHealth>, over: Parameters<typeof clusterOf>[0] = {}) => {
    const cluster = clusterOf({
      members,
      settings,
      partitions: new Set(['0', '1', '2']),
      locks: new Map([
        ['0', lockOf(me, fresh)],
        ['1', lockOf(me, old)],
        ['2', lockOf(other, old)],
      ]),
      ...over,
    })
    const told = { health, reports: new Map(), leavesOut: new Set<string>() }
    return unitsOf(cluster, told, rollOf({ unit: 'instance' }))
  }
  const health = new Map(
    ['0', '1', '2'].map((id, at) => [id, { ...well, readyFor: 1000 * (at + 1), restarts: at }] as const),
  )

  it('is as well as the worst of its partitions', () => {
    const [first, second] = all(health) as [Unit, Unit]
    assert.deepEqual([first.name, first.readyFor, first.restarts, first.notNew], [me, 1000, 1, ['1']])
    assert.deepEqual([second.name, second.readyFor, second.notNew], [other, 3000, ['2']])
  })
  it('is unavailable while one of them is', () => {
    assert.equal(all(new Map([['0', well]]))[0]?.available, false)
  })
  it('is unavailable while it is lost', () => {
    const found = all(health, { members: [members[0] as never], lost: new Map([[other, 5]]) })
    assert.deepEqual(found.map(({ name, available }) => [name, available]), [[me, true], [other, false]]) // biome-ignore format: a table
  })
  it('is none while it is drained and holds nothing', () => {
    const drained = memberOne('c:svc', { absence: 'drained' })
    assert.equal(all(health, { members: [...members, drained] }).length, 2)
  })
})
