/** Published health: what a holder says of its partitions' processes, and what a reader may make of it. */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { bootId } from '../../lib/base/clock.ts'
import { keepUnwell } from '../../lib/checks/unwell.ts'
import type { Watched } from '../../lib/checks/watched.ts'
import type { Operation } from '../../lib/consul/operation.ts'
import { publishOfTick, tellAfterVerdict } from '../../lib/guard/after-verdict.ts'
import type { Seen } from '../../lib/guard/guard.ts'
import {
  firstSeen,
  type HealthRow,
  healthKey,
  healthOf,
  healthText,
  mostPublished,
  parseHealth,
} from '../../lib/keys/health.ts'
import { forgetPublished } from '../../lib/keys/published.ts'
import { readFact, writeFact } from '../../lib/state/facts.ts'
import type { Local } from '../../lib/state/local.ts'
import { definition, heldBy, locals, locks, me, other } from '../fixtures/cluster.ts'
import { type FakeConsul, fakeConsul } from '../fixtures/consul.ts'
import { contextOf, partitionIn, stateOf } from '../fixtures/state.ts'

const key = healthKey('svc', me)
const at = '2026-01-01T00:00:00.000Z'

async function holder(t: TestContext) {
  const fake = await fakeConsul(t)
  const files = stateOf(t)
  const run = contextOf(fake.consul, files)
  const connect = () => fake.consul.another(300)
  const seenOf = (all: Record<string, Local>): Seen => {
    const renewal = { proved: [], acquired: new Map(), lost: [], unusable: [], member: true, missing: null }
    return { local: new Map(Object.entries(all)), renewal, answered: 0 }
  }
  const tick = (now: number, all: Record<string, Local>, isLate = false) =>
    publishOfTick(run, seenOf(all), { now, interval: 2000, isLate }, connect)
  const published = () => parseHealth(valueIn(fake, key))
  const row = (id: string) => published()?.partitions.get(id) ?? null
  const writes = () => {
    const isWrite = ({ Verb, Key }: Operation) => Key === key && (Verb === 'set' || Verb === 'delete')
    return fake.requests.filter(({ operations }) => operations.some(isWrite)).length
  }
  return { fake, ...fake, files, run, tick, row, published, writes, seenOf, connect }
}

function valueIn({ memory }: FakeConsul, key: string): string | null {
  const value = memory.keys.get(key)?.Value
  return value ? Buffer.from(value, 'base64').toString() : null
}

/** A process of this start time, in ms of the boot clock. */
const from = (ms: number, pid = 7) => ({ process: { pid, start: String(ms / 10) } })
const without = { process: null, status: 'backing off: exit 1' }

describe('the guard publishes the health of the partitions here', () => {
  it('once, and asks Consul nothing more while nothing changes', async t => {
    const { tick, row, requests } = await holder(t)
    const all = { 0: locals.running(from(900_000)) }
    await tick(1_000_000, all)
    assert.deepEqual(row('0'), { index: 100, startedFor: 100_000, readyFor: 0, restarts: 0 })
    const asked = requests.length
    for (let more = 1; more < 20; more++) await tick(1_000_000 + 2000 * more, all)
    assert.equal(requests.length, asked)
  })

  it('nothing at all where there is no partition', async t => {
    const { tick, requests } = await holder(t)
    await tick(1_000_000, {})
    await tick(1_002_000, { 0: locals.idle() })
    assert.equal(requests.length, 0)
  })

  it('again when a process is not ready any more, and when it is again, since then', async t => {
    const { files, tick, row } = await holder(t)
    partitionIn(files, '0')
    await tick(1_000_000, { 0: locals.running(from(900_000)) })
    await tick(1_002_000, { 0: locals.running(without) })
    assert.deepEqual(row('0'), { index: 100, startedFor: null, readyFor: null, restarts: 0 })
    writeFact(files.partition('0').restarts, '1')
    await tick(1_004_000, { 0: locals.running(from(1_003_000, 8)) })
    assert.deepEqual(row('0'), { index: 100, startedFor: 1000, readyFor: 0, restarts: 1 })
    await tick(1_006_000, { 0: locals.running({ ...from(1_003_000, 8), unready: 'starting: waits' }) })
    assert.deepEqual(row('0'), { index: 100, startedFor: 3000, readyFor: null, restarts: 1 })
  })

  it('a restart between two ticks counts as ready from then on', async t => {
    const { tick, row } = await holder(t)
    await tick(1_000_000, { 0: locals.running(from(900_000)) })
    await tick(1_020_000, { 0: locals.running(from(1_019_000, 8)) })
    assert.deepEqual(row('0'), { index: 100, startedFor: 1000, readyFor: 0, restarts: 0 })
  })

  it('an acquisition counts from when it was seen, also of a process that runs on', async t => {
    const { tick, row } = await holder(t)
    await tick(1_000_000, { 0: locals.running(from(900_000)) })
    await tick(1_020_000, { 0: locals.running({ ...from(900_000), index: 200 }) })
    assert.deepEqual(row('0'), { index: 200, startedFor: 120_000, readyFor: 0, restarts: 0 })
  })

  it('keeps how long the others are ready when one changes', async t => {
    const { tick, row } = await holder(t)
    await tick(1_000_000, { 0: locals.running(from(900_000)), 1: locals.running(from(900_000, 8)) })
    await tick(1_060_000, { 0: locals.running(from(900_000)), 1: locals.running(without) })
    assert.equal(row('0')?.readyFor, 60_000)
  })

  it('says not ready of a partition with a check that is not passing', async t => {
    const { files, tick, row } = await holder(t)
    const check = { id: 'c', name: 'c' } as never
    writeFact(files.definition, JSON.stringify({ definition: { ...definition, checks: [check] } }))
    const watched = (status: string) => ({ acquisition: heldBy(me).acquisition, state: { status } }) as Watched
    keepUnwell(files, [watched('critical'), watched('passing')])
    await tick(1_000_000, { 0: locals.running(from(900_000)) })
    assert.equal(row('0')?.readyFor, null)
    keepUnwell(files, [watched('passing')])
    await tick(1_002_000, { 0: locals.running(from(900_000)) })
    assert.equal(row('0')?.readyFor, 0)
    assert.equal(readFact(files.unwell), null)
  })

  it('puts off what nobody acts upon: the exits of a crash loop', async t => {
    const { tick, writes } = await holder(t)
    const looping = (pid: number) => ({ 0: locals.running({ ...from(900_000, pid), status: 'crash-looping since 1' }) })
    await tick(1_000_000, looping(8))
    for (let pid = 9; pid < 13; pid++) await tick(1_000_000 + (pid - 8) * 2000, looping(pid))
    assert.equal(writes(), 1)
    await tick(1_010_000, looping(14))
    assert.equal(writes(), 2)
  })

  it('deletes the key when nothing is here any more', async t => {
    const { tick, published, memory, requests } = await holder(t)
    await tick(1_000_000, { 0: locals.running(from(900_000)) })
    await tick(1_002_000, {})
    assert.equal(memory.keys.get(key), undefined)
    assert.equal(published(), null)
    const asked = requests.length
    await tick(1_004_000, {})
    assert.equal(requests.length, asked)
  })

  it('at most 500, and says how many are left out', async t => {
    const { tick, published } = await holder(t)
    const many = Array.from({ length: 503 }, (_, id) => [String(id), locals.running(from(900_000))] as const)
    await tick(1_000_000, Object.fromEntries(many))
    assert.equal(published()?.partitions.size, mostPublished)
    assert.equal(published()?.leftOut, 3)
  })

  it('not from a tick that is late, but from the next one', async t => {
    const { tick, writes } = await holder(t)
    const all = { 0: locals.running(from(900_000)) }
    await tick(1_000_000, all, true)
    assert.equal(writes(), 0)
    await tick(1_002_000, all)
    assert.equal(writes(), 1)
  })

  it('again after ten minutes: a restored backup may hold an older value', async t => {
    const { tick, writes, memory } = await holder(t)
    const all = { 0: locals.running(from(900_000)) }
    await tick(1_000_000, all)
    memory.put(key, 'older')
    await tick(1_599_000, all)
    assert.equal(writes(), 1)
    await tick(1_601_000, all)
    assert.equal(writes(), 2)
  })

  it('anew after a boot, and after a torn file', async t => {
    for (const text of [`another-boot published 999000\n0 100 7.90000 1\n\n900000 1 0`, `${bootId()} published`, '']) {
      const { files, tick, row } = await holder(t)
      writeFact(files.health, text)
      await tick(1_000_000, { 0: locals.running(from(900_000)) })
      assert.equal(row('0')?.readyFor, 0, text)
    }
  })
})

describe('a failure to publish', () => {
  it('is tried again after 10 s, with the time that went by', async t => {
    const { fake, tick, row, files, writes } = await holder(t)
    fake.script = ({ operations }) => (operations.some(({ Verb }) => Verb === 'set') ? { status: 500 } : undefined)
    const all = { 0: locals.running(from(900_000)) }
    await assert.rejects(tick(1_000_000, all), /Consul answered 500/)
    fake.script = () => undefined
    for (let more = 1; more < 5; more++) await tick(1_000_000 + 2000 * more, all)
    assert.equal(writes(), 1, 'one try in 10 s')
    await tick(1_010_000, all)
    assert.equal(row('0')?.readyFor, 10_000)
    assert.match(readFact(files.health) ?? '', / published 1010000/)
  })

  it('is tried again after a minute where the token may not, whatever happens meanwhile', async t => {
    const { fake, tick, row, writes } = await holder(t)
    fake.memory.denied = denied => denied === key
    const running = (pid: number) => ({ 0: locals.running(from(900_000, pid)) })
    await assert.rejects(
      tick(1_000_000, running(7)),
      /missing permission: key_prefix "watchbill\/\.health\/svc\/" write/,
    )
    const tries = writes()
    fake.memory.denied = () => false
    for (let more = 1; more < 30; more++) await tick(1_000_000 + 2000 * more, running(7 + (more >> 3)))
    assert.equal(writes(), tries)
    await tick(1_060_000, running(10))
    assert.equal(row('0')?.readyFor, 12_000)
  })

  it('goes without the events where the token may not write those', async t => {
    const { fake, tick, row } = await holder(t)
    fake.memory.denied = denied => denied.startsWith('watchbill/.events/')
    await assert.rejects(tick(1_000_000, { 0: locals.running(from(900_000)) }), /missing permission/)
    assert.notEqual(row('0'), null)
  })

  it('changes nothing else in the tick, and is one line in the log', async t => {
    const made = await holder(t)
    mkdirSync(`${made.files.health}.${process.pid}.new`) // nothing can be written
    const seen = made.seenOf({ 0: locals.running(from(900_000)) })
    for (let count = 0; count < 3; count++) await tellAfterVerdict(made.run, 2000, seen, made.connect, 0)
    const lines = (readFact(made.files.log) ?? '').split('\n').filter(line => line.includes('health and events'))
    assert.equal(lines.length, 1, lines.join('\n'))
  })

  it('is published every 10 s where nothing can be written down', async t => {
    const { files, tick, row, writes } = await holder(t)
    mkdirSync(`${files.health}.${process.pid}.new`)
    const all = { 0: locals.running(from(900_000)) }
    for (let now = 1_000_000; now < 1_020_000; now += 2000) await assert.rejects(tick(now, all))
    assert.equal(writes(), 2)
    assert.notEqual(row('0'), null)
  })
})

describe('a reader of published health', () => {
  const row: HealthRow = { index: 100, startedFor: 5000, readyFor: 4000, restarts: 2 }
  const publication = (index = 900, over: Partial<HealthRow> = {}) =>
    new Map([[me, { health: { at, leftOut: 0, partitions: new Map([['0', { ...row, ...over }]]) }, index }]])

  it('has it of the acquisition that holds the lock', () => {
    const found = healthOf(publication(), new Map([['0', locks.held(me)]]))
    assert.deepEqual(found.get('0'), { ...row, instance: me, at })
  })

  const stale: [what: string, lock: ReturnType<typeof locks.held> | null][] = [
    ['a later acquisition', locks.held(me, { modifyIndex: 101 })],
    ['a lock that nobody holds', locks.unclean(me)],
    ['a lock that was given back', locks.clean()],
    ['a lock that another one holds', locks.held(other)],
    ['a lock that is gone', null],
  ]
  for (const [what, lock] of stale) {
    it(`has nothing for ${what}`, () => {
      assert.equal(healthOf(publication(), new Map(lock === null ? [] : [['0', lock]])).size, 0)
    })
  }

  it('adds how long it has seen the same publication stand, by its own clock', () => {
    const held = new Map([['0', locks.held(me)]])
    const first = firstSeen(new Map(), publication(900), 50_000)
    const later = firstSeen(first, publication(900), 56_000)
    assert.equal(healthOf(publication(900), held, later, 56_000).get('0')?.readyFor, 10_000)
    const another = firstSeen(later, publication(901), 58_000)
    assert.equal(healthOf(publication(901), held, another, 58_000).get('0')?.readyFor, 4000)
    assert.equal(healthOf(publication(901, { readyFor: null }), held, another, 99_000).get('0')?.readyFor, null)
    const rebooted = firstSeen(later, publication(900), 1000)
    const after = firstSeen(rebooted, publication(900), 3000)
    assert.equal(healthOf(publication(900), held, after, 3000).get('0')?.readyFor, 6000, 'its clock began anew')
  })

  it('reads what is written, whatever the names', () => {
    const partitions = new Map([
      ['__proto__', row],
      ['a "b"', { ...row, startedFor: null, readyFor: null }],
    ])
    assert.deepEqual(parseHealth(healthText({ at, leftOut: 4, partitions })), { at, leftOut: 4, partitions })
  })

  for (const text of [null, '', 'x', '[]', '{}', '{"at":"x","leftOut":0,"partitions":{}}', `{"at":"${at}"}`]) {
    it(`takes ${text} for nothing`, () => assert.equal(parseHealth(text), null))
  }

  it('leaves out rows that are none', () => {
    const rows = { 0: [1, 2, 3], 1: 'x', 2: [1, 2, 3, -1], 3: [1, null, null, 0], 4: [1.5, 1, 1, 1], 5: [1, '2', 1, 1] }
    const found = parseHealth(JSON.stringify({ at, leftOut: 0, partitions: rows }))
    assert.deepEqual([...(found?.partitions.keys() ?? [])], ['3'])
  })
})

describe('what was published', () => {
  it('goes with its instance, or with the service, however many there are', async t => {
    const { consul, memory } = await fakeConsul(t)
    for (let count = 0; count < 150; count++) memory.put(healthKey('svc', `n${count}:svc`), '{}')
    await forgetPublished(consul, 'svc', 'n3:svc')
    assert.ok(!memory.keys.has(healthKey('svc', 'n3:svc')))
    assert.ok(memory.keys.has(healthKey('svc', 'n4:svc')))
    await forgetPublished(consul, 'svc', null)
    assert.ok(!memory.keys.has(healthKey('svc', 'n4:svc')))
    assert.ok(!memory.keys.has(healthKey('svc', 'n149:svc')))
  })
})
