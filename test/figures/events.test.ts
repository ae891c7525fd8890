/** Events: how they are kept on disk, how they come into Consul, and the one order in which everybody reads them. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { keysOf } from '../../lib/base/names.ts'
import type { Consul } from '../../lib/consul/http.ts'
import { publishOfTick } from '../../lib/guard/after-verdict.ts'
import { eventsBetween } from '../../lib/guard/happened.ts'
import { eventsIn, eventsKey, eventsRoot, eventsValue, inOrder, mostBytes, mostEvents } from '../../lib/keys/events.ts'
import { changePlacement, noPlacement } from '../../lib/keys/placement.ts'
import { forgetPublished } from '../../lib/keys/published.ts'
import { changeSettings } from '../../lib/keys/settings.ts'
import { chosen, readEvents, type Shown } from '../../lib/operate/events/read.ts'
import { eventLine } from '../../lib/operate/events/words.ts'
import { freezeByHand } from '../../lib/operate/freeze.ts'
import { who } from '../../lib/program/who.ts'
import { type Event, eventOf, keepEvents, noteEvents, readRing, ringRows, ringSize } from '../../lib/state/events.ts'
import { readFact } from '../../lib/state/facts.ts'
import type { Local } from '../../lib/state/local.ts'
import { type InstanceFiles, instanceFiles } from '../../lib/state/paths.ts'
import { locals, me, other, third } from '../fixtures/cluster.ts'
import { type FakeConsul, fakeConsul } from '../fixtures/consul.ts'
import { disk, withoutMounts } from '../fixtures/disk.ts'
import { contextOf, directory, stateOf } from '../fixtures/state.ts'
import { handlers, runProgram } from '../handlers/support/programs.ts'
import { until } from '../lab/until.ts'

const none = () => []
const happened = (partition: string) => ({ what: 'acquired', partitions: [partition], index: Number(partition) })

function inRing(files: InstanceFiles): Event[] {
  const ring = readRing(files)
  return ring === null || ring === 'torn' ? assert.fail(`the ring is ${ring}`) : ring.events.map(({ event }) => event)
}

function instead(make: (file: string) => void): (file: string) => void {
  return file => {
    rmSync(file)
    make(file)
  }
}

const partitionsOf = (events: readonly Event[]) => events.flatMap(({ partitions }) => partitions)

describe('the ring of events', () => {
  it('holds what was noted, in its order, and never grows', t => {
    const files = stateOf(t)
    noteEvents(files, [happened('1'), happened('2')])
    noteEvents(files, [happened('3')])
    keepEvents(files, none)
    assert.deepEqual(partitionsOf(inRing(files)), ['1', '2', '3'])
    for (let some = 4; some < 1000; some += 3) {
      noteEvents(files, [happened(String(some)), happened(String(some + 1)), happened(String(some + 2))])
      keepEvents(files, none)
    }
    assert.equal(statSync(files.eventRing).size, ringSize)
    const last = partitionsOf(inRing(files))
    assert.deepEqual([last.length, last[0], last.at(-1)], [ringRows, String(1000 - ringRows), '999'])
  })

  it('knows an event that is told twice', t => {
    const files = stateOf(t)
    const one = eventOf({ what: 'started', partitions: ['7'] }, 'started.7')
    keepEvents(files, () => [one])
    keepEvents(files, () => [one])
    assert.equal(inRing(files).length, 1)
  })

  it('makes one event of the same for many partitions, and names as many as there is room for', t => {
    const files = stateOf(t)
    const many = Array.from({ length: 500 }, (_, id) => ({
      what: 'acquired',
      partitions: [`partition-${id}`],
      index: 5,
    }))
    noteEvents(files, many)
    keepEvents(files, none)
    const [event, ...others] = inRing(files)
    assert.equal(others.length, 0)
    assert.equal((event?.partitions.length ?? 0) + (event?.more ?? 0), 500)
    assert.ok((event?.partitions.length ?? 0) > 5)
  })

  it('has room for the longest names and words, of any script', t => {
    const files = stateOf(t)
    const long = 'ж'.repeat(100)
    noteEvents(files, [{ what: 'taken over', partitions: [long], instance: long, why: long.repeat(5) }])
    noteEvents(files, [{ what: 'moved', partitions: [long], instance: 'n:svc', why: '"\\"'.repeat(200) }])
    keepEvents(files, none)
    const [first, second] = inRing(files)
    assert.deepEqual([first?.partitions, first?.instance], [[long], long])
    assert.deepEqual([second?.partitions, second?.instance], [[long], 'n:svc'])
    assert.ok((second?.why?.length ?? 0) > 20)
  })

  const victimOf = (file: string) => {
    const victim = `${file}.victim`
    if (!existsSync(victim)) writeFileSync(victim, 'its own')
    return victim
  }
  const torn: [what: string, break_: (file: string) => void][] = [
    ['cut off', file => truncateSync(file, 1000)],
    ['of another size', file => writeFileSync(file, 'x'.repeat(ringSize + 1))],
    ['another file', file => writeFileSync(file, 'x'.repeat(ringSize))],
    ['a directory', instead(file => mkdirSync(file))],
    ['a symbolic link', instead(file => symlinkSync(victimOf(file), file))],
  ]
  for (const [what, break_] of torn) {
    it(`is begun anew when it is ${what}, and says so`, t => {
      const files = stateOf(t)
      noteEvents(files, [happened('1')])
      keepEvents(files, none)
      break_(files.eventRing)
      noteEvents(files, [happened('2')])
      assert.equal(keepEvents(files, none).torn, true)
      assert.deepEqual(
        inRing(files).map(event => event.what),
        ['events lost', 'acquired'],
      )
      assert.equal(readFileSync(victimOf(files.eventRing), 'utf8'), 'its own')
    })
  }

  it('leaves out a row that was written halfway, and lines that are none', t => {
    const files = stateOf(t)
    for (const id of ['1', '2', '3']) noteEvents(files, [happened(id)])
    keepEvents(files, none)
    const text = readFileSync(files.eventRing, 'latin1')
    writeFileSync(files.eventRing, text.replace('"partitions":["2"]', '"partitions":["2\u0000\u0000'), 'latin1')
    writeFileSync(files.eventSpool, 'garbage\n{"what":7}\n[]\nnull\n\n')
    keepEvents(files, none)
    assert.deepEqual(partitionsOf(inRing(files)), ['1', '3'])
  })

  it('loses nothing, and tells nothing twice, when its writer is killed between any two steps', t => {
    const steps = ['nothing taken', 'taken', 'taken, and the first row written', 'taken, and all rows written']
    for (const [step, what] of steps.entries()) {
      const files = stateOf(t)
      noteEvents(files, [happened('0')])
      keepEvents(files, none)
      noteEvents(files, [happened('1'), happened('2')])
      const lines = readFileSync(files.eventSpool, 'utf8')
      if (step === 2) {
        writeFileSync(files.eventSpool, `${lines.split('\n')[0]}\n`)
        keepEvents(files, none)
      } else if (step === 3) keepEvents(files, none)
      if (step > 0) {
        rmSync(files.eventSpool, { force: true })
        writeFileSync(`${files.eventSpool}.taken`, lines)
        noteEvents(files, [happened('3')]) // a handler that runs meanwhile
      } else noteEvents(files, [happened('3')])
      keepEvents(files, none)
      keepEvents(files, none)
      assert.deepEqual(partitionsOf(inRing(files)), ['0', '1', '2', '3'], what)
    }
  })

  it('takes rows on a full disk, and a note that finds no room is no failure', { skip: withoutMounts }, t => {
    const small = disk(t, 'size=1m,nr_inodes=200')
    const files = instanceFiles(small.directory, me)
    mkdirSync(files.partitions, { recursive: true })
    noteEvents(files, [happened('1')])
    keepEvents(files, none)
    noteEvents(files, [happened('2')])
    small.fill()
    noteEvents(
      files,
      Array.from({ length: 100 }, () => happened('3')),
    )
    keepEvents(files, () => [eventOf(happened('4'), 'seen')])
    const kept = partitionsOf(inRing(files))
    assert.ok(kept.includes('2') && kept.includes('4'), kept.join(' '))
    small.remount('ro')
    noteEvents(files, [happened('5')])
  })

  it('is no matter for whoever notes: no place, or a directory in it', t => {
    const files = stateOf(t)
    mkdirSync(files.eventSpool)
    noteEvents(files, [happened('1')])
    keepEvents(files, none)
    noteEvents(files, [happened('2')])
    keepEvents(files, none)
    assert.deepEqual(partitionsOf(inRing(files)), ['2'])
    noteEvents(instanceFiles(`${directory(t)}/gone`, me), [happened('1')])
  })
})

/** An instance on a machine of its own, whose wall clock is some ms off. */
class Machine {
  readonly files: InstanceFiles
  readonly instance: string
  readonly #run: ReturnType<typeof contextOf>
  readonly #fake: FakeConsul
  readonly #off: number
  /** What runs here: the tick sees it. */
  local: Record<string, Local> = {}

  constructor(t: TestContext, fake: FakeConsul, instance: string, off = 0) {
    this.files = stateOf(t, instance)
    this.instance = instance
    this.#fake = fake
    this.#off = off
    this.#run = { ...contextOf(fake.consul, this.files), instance }
  }

  /** Does something by this machine's wall clock. */
  at<T>(now: number, work: () => T): T {
    const { now: real } = Date
    Date.now = () => start + now + this.#off
    try {
      return work()
    } finally {
      Date.now = real
    }
  }

  note(now: number, ...events: Parameters<typeof noteEvents>[1]): void {
    this.at(now, () => noteEvents(this.files, events))
  }

  async tick(now: number): Promise<void> {
    const renewal = { proved: [], acquired: new Map(), lost: [], unusable: [], member: true, missing: null }
    const seen = { local: new Map(Object.entries(this.local)), renewal, answered: 0 }
    const time = { now: 1_000_000 + now, interval: 2000, isLate: false }
    await this.at(now, () => publishOfTick(this.#run, seen, time, () => this.#fake.consul.another(300)))
  }
}

const start = Date.parse('2026-01-01T12:00:00Z')
const running = (index: number, pid: number, over: Partial<Local> = {}) =>
  locals.running({ index, process: { pid, start: '99000' }, ...over })

/** An operator on a fourth machine. */
function operator({ consul }: FakeConsul, by = 'ann@desk'): Consul {
  return Object.defineProperty(consul.another(2000), 'by', { value: async () => by })
}

const keys = keysOf('svc')
const told = (events: readonly Shown[]) =>
  events.map(({ teller, by, what, partitions, instance }) =>
    [teller ?? by, what, ...partitions, ...(instance ? [instance] : [])].join(' '),
  )

describe('a scripted hour on three machines, one of them with a clock that is an hour ahead', () => {
  /** @param late whose ticks come last, so that it publishes after all the others */
  async function hour(t: TestContext, late: number) {
    const fake = await fakeConsul(t)
    const { memory } = fake
    memory.put(keys.revision, '{}')
    const [a, b, c] = [new Machine(t, fake, me), new Machine(t, fake, other, 3_600_000), new Machine(t, fake, third)]
    const all = [a, b, c]
    const ticks = async (now: number) => {
      const order = [...all.slice(late), ...all.slice(0, late)].reverse()
      for (const machine of order) await machine.tick(now)
    }
    const ask = operator(fake)
    const lock = (id: string) => memory.put(keys.lock(id), '{}')
    // 0 min: two join; each takes one.
    a.note(0, { what: 'joined', index: memory.put(keys.member(me), '{}') })
    b.note(10, { what: 'joined', index: memory.put(keys.member(other), '{}') })
    const first = lock('0')
    a.note(20, { what: 'acquired', partitions: ['0'], index: first })
    a.local = { 0: running(first, 1) }
    const second = lock('1')
    b.note(30, { what: 'acquired', partitions: ['1'], index: second })
    b.local = { 1: running(second, 2) }
    await ticks(2000)
    // 10 min: the process of 0 crashes, and is started again.
    a.local = { 0: running(first, 3) }
    await ticks(600_000)
    // 20 min: an operator drains a; b gets its partition.
    const drained =
      (on: boolean) => (settings: { drained: readonly string[]; held: readonly string[]; epoch: number }) => ({
        ...settings,
        drained: on ? [me] : [],
      })
    await a.at(1_200_000, () => changeSettings(ask, keys, drained(true)))
    a.note(1_200_100, { what: 'moved', partitions: ['0'], instance: other, index: lock('0'), why: 'drained' })
    a.local = {}
    const taken = lock('0')
    b.note(1_200_200, { what: 'acquired', partitions: ['0'], instance: me, index: taken })
    b.local = { 0: running(taken, 4), 1: running(second, 2) }
    await ticks(1_202_000)
    await a.at(1_260_000, () => changeSettings(ask, keys, drained(false)))
    // 30 min: c joins; b dies, and c takes over; a and c tell that b is lost.
    c.note(1_800_000, { what: 'joined', index: memory.put(keys.member(third), '{}') })
    await ticks(1_802_000)
    const index = memory.put(keys.member(other), '{}')
    const lost = { key: `lost.${other}.${index}`, what: 'lost', instance: other, index }
    a.note(1_830_000, lost)
    c.note(1_830_010, lost)
    all.splice(1, 1)
    const over = lock('1')
    c.note(1_844_000, { what: 'taken over', partitions: ['1'], instance: other, index: over })
    c.local = { 1: running(over, 5) }
    await ticks(1_846_000)
    // 40 min: somebody destroys c's session; it takes its own back. 50 min: a restart by hand, a hold.
    const again = lock('1')
    c.note(2_400_000, { what: 'reclaimed', partitions: ['1'], index: again })
    c.local = { 1: running(again, 5) }
    await ticks(2_402_000)
    const held = (settings: { drained: readonly string[]; epoch: number }) => ({ ...settings, held: ['1'] })
    await c.at(3_000_000, () => changeSettings(ask, keys, held))
    c.note(3_000_100, { what: 'released', partitions: ['1'], index: lock('1'), why: 'held' })
    c.local = {}
    await ticks(3_002_000)
    c.note(3_600_000, { what: 'released', partitions: ['9'], index: memory.index })
    await ticks(3_602_000)
    return { fake, events: await readEvents(fake.consul, { service: 'svc' }) }
  }

  const expected = [
    `${me} joined`,
    `${other} joined`,
    `${me} acquired 0`,
    `${other} acquired 1`,
    `ann@desk drained ${me}`,
    `${me} moved 0 ${other}`,
    `${other} acquired 0 ${me}`,
    `ann@desk drain ended ${me}`,
    `${third} joined`,
    `${me} lost ${other}`,
    `${third} taken over 1 ${other}`,
    `${third} reclaimed 1`,
    'ann@desk held 1',
    `${third} released 1`,
    `${third} released 9`,
  ]
  const alone = /^\S+ (started|exited|ready)/

  for (const late of [0, 1, 2]) {
    it(`is told complete and in order, whoever publishes last (${late})`, async t => {
      const { events } = await hour(t, late)
      const lines = told(events)
      assert.deepEqual(
        lines.filter(line => !alone.test(line)),
        expected,
      )
      const at = (line: string) => {
        const place = lines.indexOf(line)
        return place >= 0 ? place : assert.fail(`there is no "${line}" in\n${lines.join('\n')}`)
      }
      // What no transaction did stands where its instance published it.
      assert.deepEqual(lines.filter(line => alone.test(line)).sort(), [
        `${me} exited 0`,
        `${me} started 0`,
        `${me} started 0`,
        `${other} started 0`,
        `${other} started 1`,
        `${third} started 1`,
      ])
      assert.ok(at(`${me} acquired 0`) < at(`${me} started 0`) && at(`${me} started 0`) < at(`${me} exited 0`))
      assert.ok(
        at(`${me} exited 0`) < at(`ann@desk drained ${me}`) && at(`${other} acquired 1`) < at(`${other} started 1`),
      )
      assert.ok(at(`${third} taken over 1 ${other}`) < at(`${third} started 1`))
      assert.ok(at(`${third} started 1`) < at(`${third} reclaimed 1`))
      const times = events.filter(({ teller }) => teller === other).map(({ at }) => at)
      assert.ok(
        times.length >= 5 && times.every(time => time >= start + 3_600_000),
        'its clock is wrong, as it was set',
      )
    })
  }

  it('is the same for every reader, and after each further event', async t => {
    const { fake, events } = await hour(t, 1)
    const first = told(events)
    assert.deepEqual(told(await readEvents(fake.consul.another(1000), { service: 'svc' })), first)
    const d = new Machine(t, fake, 'd:svc')
    d.note(3_700_000, { what: 'joined', index: fake.memory.put(keys.member('d:svc'), '{}') })
    await d.tick(3_702_000)
    assert.deepEqual(told(await readEvents(fake.consul, { service: 'svc' })).slice(0, first.length), first)
  })

  it('shows of the last minutes at least what is of the last minutes, whosever clock is wrong', async t => {
    const { events } = await hour(t, 0)
    const last = chosen(events, { since: 700_000 }, start + 3_602_000)
    const lines = told(last)
    for (const line of ['ann@desk held 1', `${third} released 1`, `${third} released 9`])
      assert.ok(lines.includes(line), line)
    assert.ok(told(chosen(events, { partition: '9' }, start)).length === 1)
  })
})

describe('the key of an instance', () => {
  const event = (number: number, more: Partial<Event> = {}) =>
    eventOf({ what: 'acquired', partitions: [String(number)], index: number, ...more }, `k${number}`, start)

  it('has the last 100 events, in at most 16 KiB', () => {
    const many = Array.from({ length: 150 }, (_, number) => event(number))
    const value = eventsValue([], many)
    assert.deepEqual(
      eventsIn({ value, modifyIndex: 200 }).map(({ index }) => index),
      Array.from({ length: 100 }, (_, number) => number + 50),
    )
    const long = eventsValue(
      [],
      Array.from({ length: mostEvents }, (_, number) => event(number, { why: 'ж'.repeat(200) })),
    )
    assert.ok(Buffer.byteLength(long) <= mostBytes && Buffer.byteLength(long) > mostBytes - 600, `${long.length}`)
    assert.equal(eventsIn({ value: long, modifyIndex: 200 }).at(-1)?.index, 99)
  })

  it('gives those that no transaction did its own index, and keeps it', () => {
    const first = eventsIn({ value: eventsValue([], [event(1), event(2, { index: null })]), modifyIndex: 70 })
    const later = eventsIn({ value: eventsValue(first, [event(3, { index: null })]), modifyIndex: 90 })
    assert.deepEqual(
      later.map(({ index }) => index),
      [1, 70, 90],
    )
  })

  it('takes no event twice', () => {
    const there = eventsIn({ value: eventsValue([], [event(1)]), modifyIndex: 5 })
    assert.equal(eventsIn({ value: eventsValue(there, [event(1), event(2)]), modifyIndex: 6 }).length, 2)
  })

  for (const value of [null, '', 'x', '[]', '{"events":7}', '{"events":[7,null,{"what":"x"}]}'])
    it(`holds nothing when it is ${value}`, () => assert.deepEqual(eventsIn({ value, modifyIndex: 1 }), []))

  it('an event comes no later than the next one of its instance', () => {
    const entry = { key: eventsKey('svc', me), session: null, createIndex: 1, modifyIndex: 95, lockIndex: 0 }
    const value = eventsValue([], [event(1, { index: null, what: 'exited' }), event(80)])
    const order = inOrder('svc', keys, [{ ...entry, value }], [])
    assert.deepEqual(
      order.map(({ what, index }) => [what, index]),
      [
        ['exited', 80],
        ['acquired', 80],
      ],
    )
  })
})

describe('the guard publishes events', () => {
  it('in the transaction of the health, and asks nothing while nothing happens', async t => {
    const fake = await fakeConsul(t)
    const a = new Machine(t, fake, me)
    a.local = { 0: running(100, 1) }
    await a.tick(0)
    const writes = fake.requests.filter(({ operations }) =>
      operations.some(({ Verb }) => Verb === 'set' || Verb === 'cas'),
    )
    assert.equal(writes.length, 1)
    const asked = fake.requests.length
    for (let now = 2000; now < 60_000; now += 2000) await a.tick(now)
    assert.equal(fake.requests.length, asked)
  })

  it('of an acquisition whose program was killed before it could tell of it', async t => {
    const fake = await fakeConsul(t)
    const a = new Machine(t, fake, me)
    a.local = { 0: running(100, 1) }
    await a.tick(0)
    a.note(1000, { what: 'taken over', partitions: ['1'], index: 120, instance: other })
    a.local = { 0: running(100, 1), 1: running(120, 2) }
    await a.tick(2000)
    assert.deepEqual(told(await readEvents(fake.consul, { service: 'svc' })), [
      `${me} acquired 0`,
      `${me} started 0`,
      `${me} taken over 1 ${other}`,
      `${me} started 1`,
    ])
  })

  it('once, when it is killed after Consul took them and before it wrote that down', async t => {
    const fake = await fakeConsul(t)
    const a = new Machine(t, fake, me)
    a.note(0, { what: 'joined', index: 5 })
    await a.tick(0)
    rmSync(a.files.eventsPublished)
    a.note(1000, { what: 'lost', partitions: ['7'] })
    await a.tick(2000)
    assert.deepEqual(told(await readEvents(fake.consul, { service: 'svc' })), [`${me} joined`, `${me} lost 7`])
  })

  it('later, where Consul did not take them, and nothing that was deleted comes back', async t => {
    const fake = await fakeConsul(t)
    const a = new Machine(t, fake, me)
    a.note(0, { what: 'joined', index: 5 })
    fake.script = ({ operations }) => (operations.some(({ Verb }) => Verb === 'cas') ? { status: 500 } : undefined)
    await assert.rejects(a.tick(0))
    fake.script = () => undefined
    await a.tick(2000)
    assert.equal((await readEvents(fake.consul, { service: 'svc' })).length, 0, 'not at once')
    await a.tick(10_000)
    assert.deepEqual(told(await readEvents(fake.consul, { service: 'svc' })), [`${me} joined`])
    await forgetPublished(fake.consul, 'svc', null)
    assert.equal([...fake.memory.keys.keys()].filter(key => key.startsWith(eventsRoot('svc'))).length, 0)
    a.note(20_000, { what: 'lost', partitions: ['7'] })
    await a.tick(20_000)
    assert.deepEqual(told(await readEvents(fake.consul, { service: 'svc' })), [`${me} lost 7`])
  })

  it('says in the log that its file was torn', async t => {
    const fake = await fakeConsul(t)
    const a = new Machine(t, fake, me)
    a.note(0, { what: 'joined', index: 5 })
    await a.tick(0)
    truncateSync(a.files.eventRing, 700)
    a.note(0, { what: 'lost', partitions: ['7'] })
    await a.tick(2000)
    assert.match(readFact(a.files.log) ?? '', /guard: \S+\/happened was torn or not ours, and is begun anew/)
    assert.deepEqual(told(await readEvents(fake.consul, { service: 'svc' })), [
      `${me} joined`,
      `${me} events lost`,
      `${me} lost 7`,
    ])
  })
})

it('a guard that is killed at any step of it neither loses an event nor tells one twice', async t => {
  const { consul } = await fakeConsul(t)
  const root = directory(t)
  const files = instanceFiles(root, me)
  const args = ['--instance', me, '--service', 'svc', '--definition', '/nowhere', '--state', root]
  const more = ['--http-addr', new URL(consul.address.origin).host]
  const guard = (env: Record<string, string> = {}, preload: string[] = []) =>
    runProgram('guard', { args: [...args, ...more], env: { WATCHBILL_FIGURES: 'off', ...env }, preload })
  await guard()
  const wanted: string[] = []
  let killed = 0
  for (let step = 1; ; step++) {
    const id = String(step)
    noteEvents(files, [{ what: 'released', partitions: [id], index: step }])
    wanted.push(`${me} released ${id}`)
    const kinds = 'rename,rmSync,open,send,sent,answer'
    const { signal } = await guard({ KILL_AT: String(step), KILL_KINDS: kinds }, ['killed-at'])
    if (signal === null) {
      if (told(await readEvents(consul, { service: 'svc' })).length === wanted.length) break
      step-- // it was late, on a busy machine, and left the rest out: the same step again
      rmSync(files.eventsPending, { force: true })
      continue
    }
    killed++
    // What it did not get done is put off; here that time is over.
    rmSync(files.eventsPending, { force: true })
    noteEvents(files, [{ what: 'joined', partitions: [id], index: step }])
    wanted.push(`${me} joined ${id}`)
    await until(`all events after step ${step}`, async see => {
      const next = await guard() // on a busy machine it may be late, and leave it to the next one
      assert.deepEqual([next.code, next.stdout], [0, '0 locks held\n'], `after step ${step}`)
      return see(told(await readEvents(consul, { service: 'svc' }))).length >= wanted.length
    })
    assert.deepEqual(told(await readEvents(consul, { service: 'svc' })), wanted, `after step ${step}`)
  }
  assert.ok(killed >= 6, `it was killed at ${killed} steps`)
})

describe('what operators ask for', () => {
  it('is written in the transaction of the change, with who asked', async t => {
    const fake = await fakeConsul(t)
    const ask = operator(fake, 'ann@desk, token 6a1f')
    await changeSettings(ask, keys, settings => ({ ...settings, held: ['1', '2'] }))
    await changePlacement(ask, keys, before => ({ ...(before ?? noPlacement), pins: new Map([['3', other]]) }))
    await freezeByHand(ask, 'svc', 'maintenance', false)
    const events = await readEvents(fake.consul, { service: 'svc' })
    assert.deepEqual(told(events), [
      'ann@desk, token 6a1f held 1 2',
      `ann@desk, token 6a1f pinned 3 ${other}`,
      'ann@desk, token 6a1f frozen',
    ])
    const changes = fake.requests.filter(({ operations }) => operations.some(({ Verb }) => Verb === 'cas'))
    for (const { operations } of changes) assert.ok(operations.some(({ Key }) => Key.startsWith(keys.events)))
    assert.equal(
      eventLine(events[2] as Shown).replace(/^\S+/, 'AT'),
      'AT  ann@desk, token 6a1f  -  frozen: maintenance',
    )
  })

  it('is not there when the change was not made', async t => {
    const fake = await fakeConsul(t)
    const ask = operator(fake)
    await changeSettings(ask, keys, settings => settings)
    await changeSettings(ask, keys, settings => ({ ...settings, held: ['1'] }))
    await changeSettings(ask, keys, settings => ({ ...settings, held: ['1'] }))
    assert.deepEqual(told(await readEvents(fake.consul, { service: 'svc' })), ['ann@desk held 1'])
  })

  it('stays for the last hundred changes or more, and never for more than two hundred', async t => {
    const fake = await fakeConsul(t)
    const ask = operator(fake)
    const value = JSON.stringify(eventOf({ what: 'held' }, 'k'))
    for (let number = 1; number <= 205; number++) fake.memory.put(keys.event(`old${number}`), value)
    await changeSettings(ask, keys, settings => ({ ...settings, held: ['230'] }))
    const left = [...fake.memory.keys.keys()].filter(key => key.startsWith(keys.events)).length
    assert.equal(left, 101)
    const events = await readEvents(fake.consul, { service: 'svc' })
    assert.equal(told(events).at(-1), 'ann@desk held 230')
  })

  it('names the user behind sudo, and the accessor of the token', async t => {
    const fake = await fakeConsul(t, 2000, 'the-secret')
    fake.script = ({ path }) =>
      path === '/v1/acl/token/self'
        ? { text: JSON.stringify({ AccessorID: '6a1f-22', SecretID: 'the-secret' }) }
        : undefined
    const before = process.env.SUDO_USER
    process.env.SUDO_USER = 'ann'
    try {
      assert.match(await who(fake.consul), /^ann@\S+, token 6a1f-22$/)
      const refusing = await fakeConsul(t, 2000, 'another-secret')
      refusing.script = () => ({ status: 403, text: 'Permission denied' })
      assert.match(await who(refusing.consul), /^ann@\S+$/, 'nobody waits for a name')
    } finally {
      if (before === undefined) delete process.env.SUDO_USER
      else process.env.SUDO_USER = before
    }
  })
})

describe('watchbill events', () => {
  async function service(t: TestContext) {
    const fake = await fakeConsul(t)
    fake.memory.put(keys.revision, '{}')
    const a = new Machine(t, fake, me)
    a.note(0, { what: 'acquired', partitions: ['0'], index: 2, instance: other }, { what: 'joined', index: 3 })
    await a.tick(0)
    const run = (...args: string[]) =>
      runProgram('events', { args: [...args, '--http-addr', new URL(fake.consul.address.origin).host] })
    return { a, run, fake }
  }

  it('prints a line for each', async t => {
    const { run } = await service(t)
    const { stdout, code } = await run('svc')
    assert.equal(
      stdout,
      `2026-01-01T12:00:00Z  ${me}  0  acquired from ${other}\n2026-01-01T12:00:00Z  ${me}  -  joined\n`,
    )
    assert.equal(code, 0)
    assert.match((await run()).stdout, /^2026-01-01T12:00:00Z {2}svc {2}a:svc /)
  })

  it('prints what is about a partition, and JSON', async t => {
    const { run } = await service(t)
    const [only, ...more] = JSON.parse((await run('svc', '0', '--json')).stdout)
    assert.deepEqual(more, [])
    const { service: name, index, at, teller, what, partitions, instance, why } = only
    assert.deepEqual([name, index, at, teller], ['svc', 2, '2026-01-01T12:00:00.000Z', me])
    assert.deepEqual([what, partitions, instance, why], ['acquired', ['0'], other, null])
  })

  it("prints what this machine's rings hold", async t => {
    const { a, run } = await service(t)
    writeFileSync(a.files.identity, `${me}\nsvc\nboot\n`)
    const state = a.files.directory.slice(0, a.files.directory.lastIndexOf('/'))
    assert.match((await run('svc', '--here', '--state', state)).stdout, /acquired from b:svc\n.*joined\n$/)
  })

  it('refuses what is no duration and no service', async t => {
    const { run } = await service(t)
    for (const since of ['yesterday', '-5m', '1d'])
      assert.equal((await run('svc', `--since=${since}`)).code, 100, since)
    assert.equal((await run('nosuch')).code, 100)
    const { code, stdout } = await run('svc', '--since', '99999999999h')
    assert.deepEqual([code, stdout.split('\n').length], [0, 3])
  })

  it('goes on with --follow while Consul is away and back, and prints each event once', async t => {
    const { a, fake } = await service(t)
    const args = ['svc', '--follow', '--http-addr', new URL(fake.consul.address.origin).host]
    const child = spawn(process.execPath, [join(handlers, 'events.ts'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    t.after(() => child.kill('SIGKILL'))
    const said = { out: '', err: '' }
    child.stdout.on('data', text => (said.out += text))
    child.stderr.on('data', text => (said.err += text))
    await until('the first events', see => see(said.out).includes('joined'))
    for (const away of [{ cut: true }, { status: 500, text: 'No cluster leader' }] as const) {
      said.err = ''
      fake.script = () => away
      await until('it to say that Consul is away', see => see(said.err).includes('cannot'))
      fake.script = () => undefined
      const asked = fake.requests.length
      await until('it to be answered again', see => see(fake.requests.length) > asked + 1)
    }
    a.note(30_000, { what: 'lost', partitions: ['9'] })
    await a.tick(30_000)
    await until('the new event', see => see(said.out).includes('lost'))
    assert.equal(child.exitCode, null)
    assert.equal(said.out.split('\n').filter(line => line.includes('joined')).length, 1, said.out)
  })
})

describe('an exit', () => {
  const known = (process: string, restarts: number, index = 5) => {
    return { index, process, ready: false, started: null, since: 0, restarts }
  }
  type Row = [what: string, was: ReturnType<typeof known> | null, now: ReturnType<typeof known>, told: string[]]
  const rows: Row[] = [
    ['that no tick has seen coming is told with the acquisition', null, known('9.2', 1), ['exited', 'started']],
    ['is none before the first start', null, known('-', 0), []],
    ['is told while nothing runs', known('8.1', 0), known('-0', 0), ['exited']],
    ['is not told again with the next start', known('-0', 0), known('9.2', 1), ['started']],
    ['is told when another process runs already', known('8.1', 0), known('9.2', 1), ['exited', 'started']],
    ['is told of a start that no tick has seen', known('-', 0), known('-0', 0), ['exited']],
    ['is told again and again in a crash loop', known('-3', 3), known('-4', 4), ['exited']],
    ['is told where another shepherd counts from 0', known('8.1', 4), known('9.2', 0), ['exited', 'started']],
    ['is told of the acquisition before', known('8.1', 0, 4), known('9.2', 0), ['exited', 'started']],
  ]
  for (const [what, was, now, told] of rows) {
    it(what, t => {
      const files = stateOf(t)
      const local = locals.running()
      const here = [{ ...now, id: '0', local }]
      const acquired = [eventOf({ what: 'acquired', index: 5 }, 'a'), eventOf({ what: 'acquired', index: 4 }, 'b')]
      const before = new Map(was === null ? [] : [['0', was]])
      const events = eventsBetween(files, before, new Map([['0', now]]), here, false, acquired)
      assert.deepEqual(
        events.map(event => event.what),
        told,
      )
    })
  }

  it('for memory says so', t => {
    const files = stateOf(t)
    const how = 'exit 137 (signal 9), out of memory: more than its memory limit of 100 MB after 3 s at 1700000000'
    mkdirSync(files.partition('0').directory, { recursive: true })
    writeFileSync(files.partition('0').exit, `${how}\n`)
    const [was, now] = [known('8.1', 0), known('-0', 0)]
    const here = [{ ...now, id: '0', local: locals.running() }]
    const acquired = [eventOf({ what: 'acquired', index: 5 }, 'a')]
    const events = eventsBetween(files, new Map([['0', was]]), new Map([['0', now]]), here, false, acquired)
    assert.deepEqual(
      events.map(({ what, why }) => [what, why]),
      [['exited', how]],
    )
  })

  it('of the one process for all, from before the acquisition, is none of the partition', t => {
    const files = stateOf(t)
    const local = { ...locals.running(), home: files.worker.directory }
    const now = known('9.2', 7)
    const acquired = [eventOf({ what: 'acquired', index: 5 }, 'a')]
    const events = eventsBetween(files, new Map(), new Map([['0', now]]), [{ ...now, id: '0', local }], false, acquired)
    assert.deepEqual(
      events.map(event => event.what),
      ['started'],
    )
  })
})
