import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { keysOf } from '../lib/base/names.ts'
import {
  changeSettings,
  defaults,
  epochOf,
  fencingToken,
  highestEpoch,
  restoreEpoch,
  revisionBump,
  type Settings,
  settingsFrom,
} from '../lib/keys/settings.ts'
import { fakeConsul } from './fixtures/consul.ts'

const lastGood: Settings = { drained: ['a:svc'], held: ['7'], epoch: 3 }
const keys = keysOf('svc')

describe('the settings in force', () => {
  it('are the defaults when there is no key', () => {
    assert.deepEqual(settingsFrom(null, defaults), { settings: defaults, problem: null, fallen: null })
  })

  it('are what the key says', () => {
    assert.deepEqual(settingsFrom('{"drained":["b:svc"],"held":["0"],"epoch":7}', lastGood), {
      settings: { drained: ['b:svc'], held: ['0'], epoch: 7 },
      problem: null,
      fallen: null,
    })
  })

  it('have a default for each field that is left out', () => {
    assert.deepEqual(settingsFrom('{}', defaults), { settings: defaults, problem: null, fallen: null })
  })

  it('keep fields that this version does not know', () => {
    const { settings } = settingsFrom('{"pause":true,"drained":[]}', defaults)
    assert.deepEqual(settings, { pause: true, drained: [], held: [], epoch: 0 })
  })

  it('never have a lower epoch than was in force, whatever becomes of the key', () => {
    for (const text of [null, '{}', '{"epoch":2}']) assert.equal(settingsFrom(text, lastGood).settings.epoch, 3)
  })

  it('never have a lower epoch than that of a token that was handed out, and tell of a key that has', () => {
    const cases: [string | null, seen: number, epoch: number, fallen: number | null][] = [
      [null, 5, 5, 0],
      ['{}', 5, 5, 0],
      ['{"epoch":4}', 5, 5, 4],
      ['{"epoch":5}', 5, 5, null],
      ['{"epoch":6}', 5, 6, null],
      ['{"epoch":2}', 0, 3, 2],
      ['{', 5, 5, null],
    ]
    for (const [text, seen, epoch, fallen] of cases) {
      const found = settingsFrom(text, lastGood, seen)
      assert.deepEqual([found.settings.epoch, found.fallen], [epoch, fallen], `${text} ${seen}`)
    }
  })

  const garbled = [
    '{',
    'null',
    '5',
    '"drained"',
    'true',
    '[]',
    '',
    '{"drained":"a:svc"}',
    '{"drained":null}',
    '{"drained":[1]}',
    '{"drained":{"0":"a:svc"}}',
    '{"held":"0"}',
    '{"held":null}',
    '{"held":[0]}',
    '{"held":{"0":true}}',
    '{"epoch":-1}',
    '{"epoch":1.5}',
    '{"epoch":"3"}',
    '{"epoch":null}',
    `{"epoch":${highestEpoch + 1}}`,
    '{"epoch":1e999}',
  ]
  for (const text of garbled) {
    it(`are the last good ones when the key holds ${text}`, () => {
      const { settings, problem } = settingsFrom(text, lastGood)
      assert.deepEqual(settings, lastGood)
      assert.match(problem ?? '', /^it is not /)
    })
  }
})

describe('an epoch that was lost', () => {
  it('is put back, with all else as it is, and by one of those who do so', async t => {
    const { consul, memory } = await fakeConsul(t)
    memory.put(keys.settings, '{"pause":true,"drained":["a:svc"]}')
    const before = memory.put(keys.revision, '{}')
    assert.equal(await restoreEpoch(consul, keys, 3), true)
    assert.equal(await restoreEpoch(consul, keys, 3), false)
    assert.equal(await restoreEpoch(consul, keys, 2), false)
    assert.deepEqual(memory.value(keys.settings), { pause: true, drained: ['a:svc'], held: [], epoch: 3 })
    assert.notEqual(memory.keys.get(keys.revision)?.ModifyIndex, before)
  })

  it('is put back where the whole key is gone', async t => {
    const { consul, memory } = await fakeConsul(t)
    assert.equal(await restoreEpoch(consul, keys, 3), true)
    assert.deepEqual(memory.value(keys.settings), { drained: [], held: [], epoch: 3 })
    assert.equal(memory.keys.has(keys.revision), false, 'a set that was lost with it does not look empty')
  })

  it('shows in every token', () => {
    for (const epoch of [0, 1, highestEpoch]) assert.equal(epochOf(fencingToken(epoch, 77)), epoch)
  })
})

describe('a fencing token', () => {
  it('is the index of the acquisition', () => assert.equal(fencingToken(0, 12_345), '12345'))

  it('of a later epoch is above every one of an earlier', () => {
    const last = BigInt(fencingToken(0, 2 ** 40 - 1))
    assert.ok(BigInt(fencingToken(1, 0)) > last)
    assert.ok(BigInt(fencingToken(2, 1)) > BigInt(fencingToken(1, 2 ** 40 - 1)))
  })

  it('is a number in every language, in the highest epoch too', () => {
    assert.ok(Number.isSafeInteger(Number(fencingToken(highestEpoch, 2 ** 40 - 1))))
  })
})

describe('changing the settings', () => {
  const drain = (settings: Settings) => ({ ...settings, drained: [...settings.drained, 'b:svc'] })

  it('writes them and tells everyone, in one transaction', async t => {
    const { consul, memory, requests } = await fakeConsul(t)
    memory.put(keys.revision, '{}')
    const outcome = await changeSettings(consul, keys, drain)
    assert.deepEqual(outcome, { settings: { drained: ['b:svc'], held: [], epoch: 0 }, changed: true })
    assert.deepEqual(memory.value(keys.settings), { drained: ['b:svc'], held: [], epoch: 0 })
    assert.equal(memory.keys.get(keys.settings)?.ModifyIndex, memory.keys.get(keys.revision)?.ModifyIndex)
    assert.equal(requests.length, 3, 'a look, whether what is not there may be read, the write')
  })

  it('does not make a set that was never written, or was lost, look empty', async t => {
    const { consul, memory } = await fakeConsul(t)
    await changeSettings(consul, keys, drain)
    assert.equal(memory.keys.has(keys.revision), false)
  })

  it('keeps what it does not know', async t => {
    const { consul, memory } = await fakeConsul(t)
    memory.put(keys.settings, '{"pause":true,"epoch":4}')
    await changeSettings(consul, keys, drain)
    assert.deepEqual(memory.value(keys.settings), { pause: true, drained: ['b:svc'], held: [], epoch: 4 })
  })

  it('is not misled by a key whose name only begins the same', async t => {
    const { consul, memory } = await fakeConsul(t)
    memory.put(`${keys.settings}.old`, '{"epoch":9}')
    assert.deepEqual((await changeSettings(consul, keys, drain)).settings, { drained: ['b:svc'], held: [], epoch: 0 })
  })

  it('writes nothing when nothing changes', async t => {
    const { consul, memory } = await fakeConsul(t)
    const index = memory.put(keys.settings, '{"drained":[],"held":[],"epoch":0}')
    assert.equal((await changeSettings(consul, keys, settings => settings)).changed, false)
    assert.equal(memory.index, index)
    assert.equal(memory.keys.has(keys.revision), false)
  })

  it('looks again when another was quicker, and loses neither change', async t => {
    const fake = await fakeConsul(t)
    let others = 2
    fake.script = ({ operations }) => {
      if (operations[0]?.Verb === 'cas' && others-- > 0)
        fake.memory.put(keys.settings, `{"drained":["other${others}:svc"]}`)
      return undefined
    }
    await changeSettings(fake.consul, keys, drain)
    assert.deepEqual(fake.memory.value(keys.settings), { drained: ['other0:svc', 'b:svc'], held: [], epoch: 0 })
  })

  it('gives up after a while when others are always quicker', async t => {
    const fake = await fakeConsul(t)
    let others = 0
    fake.script = ({ operations }) => {
      if (operations[0]?.Verb === 'cas') fake.memory.put(keys.settings, `{"drained":["other${others++}:svc"]}`)
      return undefined
    }
    await assert.rejects(changeSettings(fake.consul, keys, drain), {
      name: 'Temporary',
      message: /others keep changing it/,
    })
  })

  it('refuses to write over garbled ones', async t => {
    const { consul, memory } = await fakeConsul(t)
    const index = memory.put(keys.settings, '{"drained":"a:svc"}')
    await assert.rejects(changeSettings(consul, keys, drain), { name: 'Permanent', message: /it is garbled; mend it/ })
    assert.equal(memory.keys.get(keys.settings)?.ModifyIndex, index)
  })

  it('bumps the revision with another value every time', () => {
    const { Verb, Key } = revisionBump(keys)
    assert.deepEqual([Verb, Key], ['set', keys.revision])
  })
})
