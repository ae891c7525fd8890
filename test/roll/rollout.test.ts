/** A roll-out from its beginning to its end, with Consul's keys: begun, led, ordered; whoever holds partitions is played here. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { keysOf } from '../../lib/base/names.ts'
import { parseDefinition } from '../../lib/definition/load.ts'
import { healthKey, healthText } from '../../lib/keys/health.ts'
import { cleanValue, heldValue } from '../../lib/keys/lock.ts'
import { memberValue } from '../../lib/keys/member.ts'
import { type Roll, rollFrom } from '../../lib/keys/roll.ts'
import { changeSettings, type Settings } from '../../lib/keys/settings.ts'
import { lookAtCluster } from '../../lib/look/read-cluster.ts'
import { beginRoll } from '../../lib/operate/roll/begin.ts'
import { optionsFrom } from '../../lib/operate/roll/options.ts'
import { currentRoll, orderRoll } from '../../lib/operate/roll/order.ts'
import { waitForRoll } from '../../lib/operate/roll/wait.ts'
import { meantFor } from '../../lib/roll/meant.ts'
import { advance } from '../../lib/rollout/advance.ts'
import { rollOut } from '../../lib/rollout/round.ts'
import { readFact, writeFact } from '../../lib/state/facts.ts'
import { heldBy, me, other, sessionOf, snapshotOf } from '../fixtures/cluster.ts'
import { type FakeConsul, fakeConsul } from '../fixtures/consul.ts'
import { contextOf, stateOf } from '../fixtures/state.ts'
import { until } from '../lab/until.ts'

const keys = keysOf('svc')
const ids = ['0', '1', '2', '3']
const text = (over: object = {}) =>
  JSON.stringify({
    name: 'svc',
    partitions: { list: ids },
    run: { command: ['/bin/true', '{version}'] },
    versions: { pattern: '^\\d+\\.\\d+$', first: '1.0' },
    ...over,
  })

/** A service with two members, of which `me` has 0 and 2, the other one 1 and 3. */
async function service(t: TestContext, over: object = {}) {
  const fake = await fakeConsul(t)
  const { memory, consul } = fake
  const definition = await parseDefinition(text(over), 'svc.json')
  for (const instance of [me, other]) {
    const node = instance.split(':')[0] as string
    memory.session(sessionOf(instance), node, `watchbill ${instance}`)
    memory.nodes.set(node, { serfHealth: 'passing', services: new Map([['svc', { name: 'svc', status: 'passing' }]]) })
    memory.lock(keys.member(instance), sessionOf(instance), memberValue(node, definition, 'digest'))
  }
  memory.put(keys.revision, '{}')
  for (const id of ids) {
    memory.put(keys.partition(id), '{"from":"definition"}')
    memory.put(keys.lock(id), cleanValue(''))
    hold(fake, id, { version: '1.0' })
  }
  const files = stateOf(t)
  writeFact(files.session, sessionOf(me))
  const run = contextOf(consul, files)
  const lead = async () => {
    const cluster = await lookAtCluster(consul, 'svc')
    return advance(run, snapshotOf({ ...cluster, definition, session: sessionOf(me) }))
  }
  /** What the holders do: each request is answered with a new start in the version that is meant, which is well or not. */
  const hold_ = async (isWell: (id: string, version: string) => boolean = () => true) => {
    const cluster = await lookAtCluster(consul, 'svc')
    for (const id of cluster.restarts.keys()) {
      const ran = meantFor(cluster, definition, id, owner(id))
      memory.remove(keys.restart(id))
      hold(fake, id, ran)
    }
    publish(fake, isWell)
  }
  publish(fake, () => true)
  return { fake, memory, consul, run, files, definition, lead, holders: hold_ }
}

function owner(id: string): string {
  return Number(id) % 2 === 0 ? me : other
}

function hold({ memory }: FakeConsul, id: string, ran: Pick<Roll, never> & { version: string; roll?: string }) {
  memory.lock(keys.lock(id), sessionOf(owner(id)), heldValue(heldBy(owner(id), ran)))
}

function publish({ memory }: FakeConsul, isWell: (id: string, version: string) => boolean) {
  for (const instance of [me, other]) {
    const own = ids.filter(id => owner(id) === instance)
    const rows = own.map(id => {
      const raw = memory.keys.get(keys.lock(id))
      const { version } = memory.value(keys.lock(id)) as { version: string }
      const well = isWell(id, version)
      const row = {
        index: raw?.ModifyIndex as number,
        startedFor: 60_000,
        readyFor: well ? 60_000 : null,
        restarts: well ? 0 : 5,
      }
      return [id, row] as const
    })
    memory.put(
      healthKey('svc', instance),
      healthText({ at: new Date(0).toISOString(), partitions: new Map(rows), leftOut: 0 }),
    )
  }
}

const versionsIn = ({ memory }: FakeConsul) =>
  ids.map(id => (memory.value(keys.lock(id)) as { version: string }).version)
const settingsIn = ({ memory }: FakeConsul) => memory.value(keys.settings) as Settings
const record = async ({ consul }: FakeConsul) => (await currentRoll(consul, 'svc')) as Roll
const options = optionsFrom({})

describe('a roll-out', () => {
  it('comes from its beginning to its end, one partition after the other', async t => {
    const { fake, consul, lead, holders } = await service(t)
    const { roll } = await beginRoll(consul, 'svc', '2.0', options, false)
    assert.deepEqual(settingsIn(fake).roll, { id: roll?.id, to: '2.0' })
    const seen: string[] = []
    for (let round = 0; round < 20 && (await record(fake)).state !== 'done'; round++) {
      await lead()
      const asked = ids.filter(id => fake.memory.keys.has(keys.restart(id)))
      assert.ok(asked.length <= 1, `${asked} at once`)
      seen.push(...asked)
      await holders()
    }
    assert.deepEqual(seen, ids)
    assert.deepEqual(versionsIn(fake), ['2.0', '2.0', '2.0', '2.0'])
    const { roll: named, version } = settingsIn(fake)
    assert.deepEqual([named, version], [undefined, '2.0'])
    const { state, reached, of } = await record(fake)
    assert.deepEqual([state, reached, of], ['done', 4, 4])
  })

  it('wakes nobody with its steps: only its beginning and its end are below spec/', async t => {
    const { fake, consul, lead, holders } = await service(t)
    await beginRoll(consul, 'svc', '2.0', options, false)
    await lead() // from the preparation to the first step
    const before = fake.memory.keys.get(keys.revision)?.ModifyIndex
    await lead()
    await holders()
    await lead()
    assert.equal(fake.memory.keys.get(keys.revision)?.ModifyIndex, before)
  })

  it('stops, and goes back', async t => {
    const { fake, consul, lead, holders } = await service(t)
    await beginRoll(consul, 'svc', '2.0', options, false)
    for (let round = 0; round < 5; round++) {
      await lead()
      await holders((_, version) => version !== '2.0')
    }
    const stopped = await record(fake)
    assert.deepEqual([stopped.state, stopped.why], ['stopped', '0 on a:svc ended 5 times since its start'])
    assert.deepEqual(versionsIn(fake), ['2.0', '1.0', '1.0', '1.0'])
    await orderRoll(consul, 'svc', 'revert', false)
    for (let round = 0; round < 3; round++) {
      await lead()
      await holders()
    }
    assert.equal((await record(fake)).state, 'reverted')
    assert.deepEqual(versionsIn(fake), ['1.0', '1.0', '1.0', '1.0'])
    assert.equal(settingsIn(fake).roll, undefined)
    assert.equal(settingsIn(fake).version, undefined)
  })

  it('of some partitions leaves them in that version, and a whole one ends that', async t => {
    const { fake, consul, lead, holders } = await service(t)
    const play = async (to: string, only?: string) => {
      await beginRoll(consul, 'svc', to, optionsFrom({ 'max-unavailable': '4', ...(only && { only }) }), false)
      for (let round = 0; round < 6; round++) {
        await lead().catch(() => '')
        await holders()
      }
    }
    await play('2.0', '1')
    assert.deepEqual(versionsIn(fake), ['1.0', '2.0', '1.0', '1.0'])
    assert.deepEqual(settingsIn(fake).only, [{ partitions: '1', version: '2.0' }])
    await play('3.0')
    assert.deepEqual(versionsIn(fake), ['3.0', '3.0', '3.0', '3.0'])
    assert.deepEqual([settingsIn(fake).only, settingsIn(fake).version], [undefined, '3.0'])
  })

  it('is gone on with by the first member, which takes the duty from another one', async t => {
    const { fake, consul, lead } = await service(t)
    await beginRoll(consul, 'svc', '2.0', options, false)
    fake.memory.lock(keys.duty('rollout'), sessionOf(other), '{"by":"b:svc"}')
    await lead()
    assert.equal(fake.memory.keys.get(keys.duty('rollout'))?.Session, sessionOf(me))
    assert.equal((await record(fake)).state, 'rolling')
  })

  it('is not written by one that has looked before another wrote', async t => {
    const { fake, consul, run, definition } = await service(t)
    await beginRoll(consul, 'svc', '2.0', options, false)
    const early = snapshotOf({ ...(await lookAtCluster(consul, 'svc')), definition, session: sessionOf(me) })
    await orderRoll(consul, 'svc', 'pause', false)
    await assert.rejects(advance(run, early), /was changed meanwhile/)
    assert.equal((await record(fake)).state, 'paused')
  })

  it('whose record is gone ends where it is', async t => {
    const { fake, consul, lead } = await service(t)
    await beginRoll(consul, 'svc', '2.0', options, false)
    for (const value of ['garbage', '{"id":"x"}']) {
      fake.memory.put(keys.roll, value)
      assert.match(await lead(), /missing or garbled/)
      assert.equal(settingsIn(fake).roll, undefined)
      await changeSettings(consul, keys, settings => ({ ...settings, roll: { id: 'r', to: '2.0' } }))
    }
    fake.memory.remove(keys.roll)
    assert.match(await lead(), /missing or garbled/)
    assert.equal(settingsIn(fake).roll, undefined)
  })
})

describe('what begins a roll-out', () => {
  const refused: [
    what: string,
    to: string | null,
    prepare: (fake: FakeConsul) => Promise<unknown> | unknown,
    why: RegExp,
    words?: object,
  ][] = [
    [
      'another one that is under way',
      '2.0',
      ({ consul }) => beginRoll(consul, 'svc', '1.5', options, false),
      /: a roll to 1\.5 is under way since .*, by .*@/,
    ],
    ['a version that the pattern forbids', '2', () => {}, /does not fit versions\.pattern of a:svc, b:svc, \^/],
    ['what is no version', '../2', () => {}, /that is no version; give 1 to 100 of/],
    ['a glob that nothing fits', '2.0', () => {}, /no partition fits x\*/, { only: 'x*' }],
    [
      'a member that knows no versions, by its name',
      '2.0',
      fake => says(fake, other, value => ({ ...value, versions: undefined })),
      /the definition of b:svc has no "versions"/,
    ],
    [
      'a member of an older release, by its name',
      null,
      fake => says(fake, other, value => ({ ...value, rolls: undefined })),
      /the release on b:svc knows nothing of roll-outs/,
    ],
    [
      'a pattern in a member key that is none',
      '2.0',
      fake => says(fake, other, value => ({ ...value, versions: { pattern: '(' } })),
      /does not fit versions\.pattern of b:svc/,
    ],
    [
      'some partitions of one process for all',
      '2.0',
      fake => says(fake, other, value => ({ ...value, per: 'instance' })),
      /one process has all partitions/,
      { only: '1' },
    ],
  ]
  for (const [what, to, prepare, why, words = {}] of refused)
    it(`is refused: ${what}`, async t => {
      const { fake, consul } = await service(t)
      await prepare(fake)
      const before = fake.memory.keys.get(keys.settings)?.ModifyIndex
      await assert.rejects(beginRoll(consul, 'svc', to, optionsFrom(words), false), (error: Error) => {
        assert.equal(error.name, 'Permanent')
        assert.match(error.message, why)
        return true
      })
      assert.equal(fake.memory.keys.get(keys.settings)?.ModifyIndex, before)
    })

  function says({ memory }: FakeConsul, instance: string, change: (value: object) => object) {
    const value = memory.value(keys.member(instance)) as object
    memory.lock(keys.member(instance), sessionOf(instance), JSON.stringify(change(value)))
  }

  it('does nothing where everything runs in that version already', async t => {
    const { fake, consul } = await service(t)
    await changeSettings(consul, keys, settings => ({ ...settings, version: '1.0' }))
    assert.deepEqual(await beginRoll(consul, 'svc', '1.0', options, false), { roll: null, units: 0 })
    assert.equal(settingsIn(fake).roll, undefined)
  })

  it('writes nothing in a dry run', async t => {
    const { fake, consul } = await service(t)
    assert.equal((await beginRoll(consul, 'svc', '2.0', options, true)).units, 4)
    assert.equal(fake.memory.keys.has(keys.roll), false)
  })

  it('counts instances where one process has all partitions of one', async t => {
    const { consul } = await service(t, { run: { per: 'instance', command: ['/bin/true', '{version}'] } })
    const { roll, units } = await beginRoll(consul, 'svc', '2.0', options, false)
    assert.deepEqual([roll?.unit, units], ['instance', 2])
  })
})

describe('the options of a roll-out', () => {
  const of = (words: Parameters<typeof optionsFrom>[0]) => optionsFrom(words)
  it('make its steps', () => {
    assert.deepEqual(of({}).steps, [{ percent: 100 }])
    assert.deepEqual(of({ canary: '1' }).steps, [{ number: 1 }, { percent: 100 }])
    assert.deepEqual(of({ steps: '10%,50%,100%' }).steps, [{ percent: 10 }, { percent: 50 }, { percent: 100 }])
    assert.deepEqual(of({ canary: '2', steps: '5' }).steps, [{ number: 2 }, { number: 5 }, { percent: 100 }])
  })
  for (const [words, why] of [
    [{ 'max-unavailable': '0' }, /--max-unavailable 0 is neither/],
    [{ 'max-unavailable': '101%' }, /neither/],
    [{ canary: 'x' }, /--canary x is neither/],
    [{ steps: '10%,x' }, /--steps x is neither/],
    [{ settle: '10' }, /--settle 10 is no duration/],
    [{ limit: '2h' }, /--limit 2h is no duration of up to 1h/],
  ] as const)
    it(`are refused: ${JSON.stringify(words)}`, () => assert.throws(() => of(words), why))
})

describe('who waits for a roll-out', () => {
  it('is shown each change once, and hears how it ends', async t => {
    const { fake, consul, lead, holders } = await service(t)
    const { roll } = await beginRoll(consul, 'svc', '2.0', optionsFrom({ 'max-unavailable': '2' }), false)
    const lines: string[] = []
    const waits = waitForRoll(consul, 'svc', roll?.id as string, 20_000, {
      isTerminal: false,
      write: line => lines.push(line),
    })
    for (let round = 0; round < 12 && (await record(fake)).state !== 'done'; round++) {
      await lead()
      await holders()
      await until('the change to be shown', () => lines.length > 0)
    }
    assert.equal((await waits).state, 'done')
    assert.equal(new Set(lines).size, lines.length)
    assert.match(lines.at(-1) ?? '', /^roll to 2\.0: done \(4 of 4 partitions\)\n$/)
  })

  it('has what it asked for once that has gone back', async t => {
    const { consul, lead, fake } = await service(t)
    const { roll } = await beginRoll(consul, 'svc', '2.0', options, false)
    await orderRoll(consul, 'svc', 'revert', false)
    await lead()
    const wait = (wanted: 'done' | 'reverted') =>
      waitForRoll(consul, 'svc', roll?.id as string, 5000, { isTerminal: false, write: () => {} }, wanted)
    assert.equal((await record(fake)).state, 'reverted')
    assert.equal((await wait('reverted')).state, 'reverted')
    await assert.rejects(wait('done'), { name: 'Permanent', message: /went back .*; correct the version/ })
  })

  it('is told what to do where it waits for people, or that it went back', async t => {
    const { consul } = await service(t)
    const { roll } = await beginRoll(consul, 'svc', '2.0', options, false)
    const wait = () => waitForRoll(consul, 'svc', roll?.id as string, 5000, { isTerminal: true, write: () => {} })
    await orderRoll(consul, 'svc', 'pause', false)
    await assert.rejects(wait(), { name: 'Temporary', message: /paused .*; watchbill roll svc --resume, or --revert$/ })
  })
})

describe('a version is prepared', () => {
  async function prepared(t: TestContext, command: readonly string[]) {
    const made = await service(t)
    const file = `${made.files.directory}/svc.json`
    const log = `${made.files.directory}/ran`
    const versions = {
      pattern: '^\\d+\\.\\d+$',
      first: '1.0',
      prepare: [...command, log, '{version}'],
      clean: ['/bin/sh', '-c', 'echo "cleaned $2" >>"$1"', 'sh', log, '{version}'],
      keep: 0,
    }
    writeFileSync(file, text({ versions }))
    const run = { ...made.run, definitionFile: file }
    const round = () => rollOut(run, () => {})
    return { ...made, run, round, log, own: () => JSON.parse(readFact(made.files.versions) ?? '{}') }
  }
  const good = ['/bin/sh', '-c', 'echo "$2" >>"$1"', 'sh'] as const

  it('by the command of the definition, once, and cleaned when nobody uses it', async t => {
    const { round, own, log, consul } = await prepared(t, good)

    await until('it to be prepared', async () => (await round()) && own().prepared?.[0] === '1.0')
    assert.equal(readFact(log), '1.0')
    await changeSettings(consul, keys, settings => ({ ...settings, version: '2.0' }))
    await until('the next one', async () => (await round()) && own().prepared?.includes('2.0'))
    // The locks still say 1.0: it is in use.
    assert.deepEqual(own().prepared, ['1.0', '2.0'])
  })

  it('or the member key says why not, after some tries', async t => {
    const { round, own, files } = await prepared(t, ['/bin/sh', '-c', 'echo "no such image" >&2; exit 3', 'sh'])
    await until(
      'it to fail',
      async see => {
        await round()
        // The pauses between the tries.
        const tries = readFact(`${files.rollCommands}/prepare.1.0/tries`)?.split(' ')
        if (tries) writeFact(`${files.rollCommands}/prepare.1.0/tries`, `${tries[0]} 0 ${tries[2] ?? ''}`.trimEnd())
        return see(own()).failed !== undefined
      },
      { deadline: 20_000 },
    )
    assert.deepEqual(own(), { prepared: [], failed: { version: '1.0', why: 'exit 3: no such image', of: '' } })
  })
})

it('a record is believed only as it was written', async t => {
  const { fake, consul } = await service(t)
  await beginRoll(consul, 'svc', '2.0', options, false)
  const raw = fake.memory.value(keys.roll) as Record<string, unknown>
  const entry = (value: unknown) => ({
    key: keys.roll,
    value: JSON.stringify(value),
    session: null,
    createIndex: 1,
    modifyIndex: 9,
    lockIndex: 0,
  })
  assert.equal((rollFrom(entry(raw)) as Roll).to, '2.0')
  for (const odd of [
    { to: '../x' },
    { to: 5 },
    { unit: 'all' },
    { max: { number: 0 } },
    { max: { percent: 101 } },
    { steps: [] },
    { steps: Array(30).fill({ number: 1 }) },
    { step: 7 },
    { state: 'x' },
    { cursor: 'a\nb' },
    { skipped: 'x' },
    { again: [5] },
    { settleMs: -1 },
    { round: null },
  ])
    assert.ok('garbled' in (rollFrom(entry({ ...raw, ...odd })) as object), JSON.stringify(odd))
})
