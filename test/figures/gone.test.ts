/** What instances that are gone have published: who deletes it, when, and what is left alone. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { attend } from '../../lib/attend/attend.ts'
import { forgetGone, mostGone } from '../../lib/attend/gone.ts'
import { bootClock } from '../../lib/base/clock.ts'
import { keysOf } from '../../lib/base/names.ts'
import { isHourly } from '../../lib/guard/due.ts'
import { eventsKey, eventsRoot } from '../../lib/keys/events.ts'
import { figuresKey } from '../../lib/keys/figures.ts'
import { healthKey } from '../../lib/keys/health.ts'
import { memberValue } from '../../lib/keys/member.ts'
import { writeFact } from '../../lib/state/facts.ts'
import { isGoneDue } from '../../lib/state/gone.ts'
import { definition, me, other, sessionOf, third } from '../fixtures/cluster.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { contextOf, stateOf } from '../fixtures/state.ts'

const keys = keysOf('svc')
const hour = 3_600_000
const kinds = [eventsKey, figuresKey, healthKey]

/** a:svc and b:svc take part, by a:svc's last look; c:svc is gone, and all three have published. */
async function service(t: TestContext, instance = me) {
  const fake = await fakeConsul(t)
  const { memory } = fake
  for (const one of [me, other]) {
    memory.session(sessionOf(one), one.slice(0, 1), `watchbill ${one}`)
    memory.lock(keys.member(one), sessionOf(one), memberValue(one.slice(0, 1), definition, 'digest'))
  }
  for (const one of [me, other, third]) for (const keyOf of kinds) memory.put(keyOf('svc', one), '{}')
  const files = stateOf(t, instance)
  writeFact(files.members, `${other}\n${me}`)
  const run = { ...contextOf(fake.consul, files), instance }
  const left = () =>
    [me, other, third].flatMap(one => (kinds.some(keyOf => memory.keys.has(keyOf('svc', one))) ? [one] : []))
  /** So many rounds, one an hour. */
  let now = bootClock()
  const hours = async (count: number, work: (at: number) => void = () => {}) => {
    for (let at = 0; at < count; at++) {
      work(at)
      await forgetGone(run, now)
      now += hour
    }
  }
  return { fake, memory, files, run, left, hours }
}

describe('what an instance has published that is gone', () => {
  it('goes after a day, in which nobody has seen it come back', async t => {
    const { left, hours, run } = await service(t)
    await hours(25)
    assert.deepEqual(left(), [me, other, third], 'a day after it was first seen')
    await hours(1)
    assert.deepEqual(left(), [me, other])
    assert.match(run.logged.join('\n'), /^deleted 3 keys that instances which are gone had published$/)
    await hours(30)
    assert.equal(run.logged.length, 1)
  })

  it('stays when it was written meanwhile: the day begins anew', async t => {
    const { left, hours, memory } = await service(t)
    await hours(30, at => at === 20 && kinds.map(keyOf => memory.put(keyOf('svc', third), '{"new":true}')))
    assert.deepEqual(left(), [me, other, third])
    await hours(20)
    assert.deepEqual(left(), [me, other])
  })

  it('stays when the instance has come back, though the last look does not know it yet', async t => {
    const { left, hours, memory } = await service(t)
    memory.session(sessionOf(third), 'c', `watchbill ${third}`)
    memory.lock(keys.member(third), sessionOf(third), memberValue('c', definition, 'digest'))
    await hours(30)
    assert.deepEqual(left(), [me, other, third])
  })

  it('stays when the instance comes back just before it is deleted', async t => {
    const { fake, left, hours, memory } = await service(t)
    await hours(25)
    fake.script = ({ operations }) => {
      if (operations.some(({ Verb }) => Verb === 'delete-cas')) {
        memory.session(sessionOf(third), 'c', `watchbill ${third}`)
        memory.lock(keys.member(third), sessionOf(third), memberValue('c', definition, 'digest'))
      }
      return undefined
    }
    await hours(1)
    assert.deepEqual(left(), [me, other, third])
  })

  it('is deleted by one instance: the first member by name', async t => {
    const { left, hours, fake } = await service(t, other)
    await hours(60)
    assert.deepEqual(left(), [me, other, third])
    assert.equal(fake.requests.length, 0, 'the others ask nothing')
  })

  it('is never more than a hundred keys of a kind: the oldest go at once', async t => {
    const { hours, memory } = await service(t)
    const names = Array.from({ length: 150 }, (_, number) => `n${number}:svc`)
    for (const name of names) memory.put(eventsKey('svc', name), '{}')
    await hours(2)
    const there = new Set(memory.below(eventsRoot('svc')).map(({ Key }) => Key))
    assert.equal(there.size, mostGone + 2)
    assert.ok(names.slice(-mostGone).every(name => there.has(eventsKey('svc', name))))
  })

  it('is asked for by few requests, once an hour', async t => {
    const { hours, fake } = await service(t)
    await hours(1)
    assert.equal(fake.requests.length, 0, 'at first it only notes the time')
    await hours(1)
    assert.ok(fake.requests.length <= 8, `${fake.requests.length} requests`)
  })

  const away: [what: string, reply: { status: number; text?: string }, logs: boolean][] = [
    ['Consul is away', { status: 500, text: 'No cluster leader' }, true],
    ['the token may not', { status: 403, text: 'Permission denied' }, false],
  ]
  for (const [what, reply, logs] of away)
    it(`stays while ${what}, and what was seen is not forgotten`, async t => {
      const { fake, left, hours, run } = await service(t)
      await hours(20)
      fake.script = () => reply
      await hours(5)
      assert.equal(run.logged.length > 0, logs, run.logged.join('\n'))
      fake.script = () => undefined
      await hours(1)
      assert.deepEqual(left(), [me, other])
    })

  it('stays where the file of what was seen is torn, or of another boot: the day begins anew', async t => {
    const { files, left, hours } = await service(t)
    for (const text of ['', 'garbage\n1 2\n', `another-boot 5\n1 1 ${eventsKey('svc', third)}\n`]) {
      await hours(20)
      writeFileSync(files.gone, text)
    }
    await hours(10)
    assert.deepEqual(left(), [me, other, third])
    const lines = readFileSync(files.gone, 'utf8').replaceAll(/^\d+ \d+ /gm, '1 99999999999999 ')
    writeFileSync(files.gone, lines)
    await hours(5)
    assert.deepEqual(left(), [me, other, third], 'a time ahead of the clock is none')
  })

  it('is nothing that a round of checks fails for', async t => {
    const { files, run, fake } = await service(t)
    const given = { file: '', definition, digest: '', stamp: '' }
    writeFact(files.definition, JSON.stringify(given))
    await attend(run, 100)
    assert.equal(isGoneDue(files, bootClock()), false)
    assert.equal(isGoneDue(files, bootClock() + hour), true)
    writeFileSync(files.gone, readFileSync(files.gone, 'utf8').replace(/ \d+/, ' 1'))
    fake.script = () => ({ status: 500 })
    await attend(run, 100)
  })

  it('is looked for at the full hours of the boot clock', () => {
    assert.deepEqual(
      [-1, 0, 1999, 3999, 4001, 1_800_000].map(after => isHourly(2000, 5 * hour + after)),
      [false, true, true, true, false, false],
    )
  })
})
