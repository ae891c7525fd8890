/** A machine that was declared off and was not; and one that a person declares off. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tellAlive } from '../../lib/act/proved-alive.ts'
import { sessionName } from '../../lib/consul/session.ts'
import { memberValue } from '../../lib/keys/member.ts'
import { nobodyOff, powerKey, recordValue, unsafeRecords } from '../../lib/keys/power.ts'
import { acknowledge, cleanWords, declareOff, lookBeforeAsking, mustBeSure } from '../../lib/operate/is-off.ts'
import { readStatus } from '../../lib/operate/status/status.ts'
import { definition } from '../fixtures/cluster.ts'
import { contextOf, stateOf } from '../fixtures/state.ts'
import { keys, locksOfB, type Stage, settingsFile, stage } from './cluster.ts'

settingsFile()
process.env.WATCHBILL_FIGURES = 'off'

/** b takes part again, in this boot or, as its key says, in another one. */
function takesPart({ memory, back }: Stage, boot?: string): void {
  back()
  const session = memory.session('again', 'b', sessionName('b:svc'))
  const value = JSON.parse(memberValue('b', definition, 'digest')) as object
  memory.lock(keys.member('b:svc'), session, JSON.stringify({ ...value, ...(boot && { boot }) }))
}

describe('a machine that was declared off', { concurrency: true }, () => {
  it('and takes part in the same boot is unsafe by status, and powers keep still until that is acknowledged', async t => {
    const one = await stage(t)
    one.fail()
    await one.power()
    const before = await readStatus(one.fake.consul, 'svc')
    assert.match(String(before.remark), /^b is off since \S+ by the word of a:svc$/)
    takesPart(one)
    const { problems } = await readStatus(one.fake.consul, 'svc')
    assert.match(problems.join(), /b is unsafe: a:svc declared it off at .*watchbill evict --node b --acknowledge$/)
    one.fail('c')
    assert.match(await one.power(), /^c: b was declared off and was not: nobody is powered off until/)
    assert.match(await acknowledge(one.fake.consul, 'b', true), /^would forget that a:svc declared b off/)
    await acknowledge(one.fake.consul, 'b', false)
    assert.doesNotMatch((await readStatus(one.fake.consul, 'svc')).problems.join(), /unsafe/)
    assert.match(await one.power(), /^c is off/)
  })

  it('says so itself, so that it stays unsafe when it is lost again', async t => {
    const one = await stage(t)
    one.fail()
    await one.power()
    takesPart(one)
    const run = { ...contextOf(one.fake.consul, stateOf(t, 'b:svc')), instance: 'b:svc', node: 'b' }
    await tellAlive(run)
    assert.equal(typeof one.record()?.alive, 'string')
    assert.match(run.logged.join(), /a:svc declared b off, and it was not/)
    one.fail()
    one.memory.remove(keys.member('b:svc'))
    assert.match((await readStatus(one.fake.consul, 'svc')).problems.join(), /b is unsafe/)
  })

  it('and has booted since is not unsafe, and what became of it is forgotten', async t => {
    const one = await stage(t)
    one.fail()
    await one.power()
    takesPart(one, 'another boot')
    assert.doesNotMatch((await readStatus(one.fake.consul, 'svc')).problems.join(), /unsafe/)
    const record = { ...(one.record() as object), boot: 'another boot' }
    one.memory.put(powerKey('b'), recordValue({ why: null, alive: null, ...record } as never))
    await tellAlive({ ...contextOf(one.fake.consul, stateOf(t, 'b:svc')), instance: 'b:svc', node: 'b' })
    assert.equal(one.record(), null)
  })

  it('is not unsafe as long as somebody is at it, since its old sessions may not have ended', () => {
    const record = {
      node: 'b',
      state: 'off',
      by: 'a:svc',
      since: '',
      failure: 1,
      boot: 'x',
      why: null,
      alive: null,
    } as const
    const unsafe = (session: string | null) =>
      unsafeRecords({ ...nobodyOff, records: new Map([['b', { ...record, session, index: 1 }]]) }, [
        { node: 'b', held: true, boot: 'x', index: 1 },
      ])
    assert.deepEqual([unsafe('at it').length, unsafe(null).length], [0, 1])
  })

  it('of which the token may read nothing hides nothing else', async t => {
    const one = await stage(t)
    one.memory.denied = key => key.startsWith('watchbill/.power/')
    assert.deepEqual((await readStatus(one.fake.consul, 'svc')).problems, [])
    await tellAlive(contextOf(one.fake.consul, stateOf(t)))
  })
})

describe('evict --is-off', { concurrency: true }, () => {
  it('marks what was read before the question clean, and leaves what has changed', async t => {
    const one = await stage(t)
    one.fail()
    const before = await lookBeforeAsking(one.fake.consul, 'b')
    assert.equal(cleanWords(before), '3 locks of svc become clean')
    one.memory.put(keys.lock('1'), 'what is this')
    assert.deepEqual(await declareOff(one.fake.consul, before), ['svc/1 has changed'])
    assert.deepEqual(
      locksOfB.filter(id => one.lock(id).clean),
      ['0', 'a/b'],
    )
    assert.equal(one.record()?.state, 'off')
    assert.deepEqual(one.turn()?.begun, [], 'it does not count as one of this hour')
  })

  it('is written down before any lock is clean, and clean are none once the turn was lost', async t => {
    const one = await stage(t)
    one.fail()
    const before = await lookBeforeAsking(one.fake.consul, 'b')
    const states: unknown[] = []
    one.fake.script = ({ operations }) => {
      if (operations.some(({ Verb, Key }) => Verb === 'unlock' && Key === keys.lock('0')))
        states.push(one.record()?.state)
      return undefined
    }
    await declareOff(one.fake.consul, before)
    assert.deepEqual(states, ['off'])
    const other = await stage(t)
    other.fail()
    const read = await lookBeforeAsking(other.fake.consul, 'b')
    other.fake.script = ({ path }) => {
      if (path.startsWith('/v1/health/node/'))
        for (const [id, { Name }] of [...other.memory.sessions])
          if (Name.startsWith('watchbill power')) other.memory.destroy(id)
      return undefined
    }
    await assert.rejects(declareOff(other.fake.consul, read), /the turn was lost/)
    assert.equal(other.lock('0').clean, false)
  })

  it('is refused for a node that gossips, also when it comes back after the question', async t => {
    const one = await stage(t)
    await assert.rejects(lookBeforeAsking(one.fake.consul, 'b'), /cannot take b for off: its agent answers the others/)
    one.fail()
    const before = await lookBeforeAsking(one.fake.consul, 'b')
    one.back()
    await assert.rejects(declareOff(one.fake.consul, before), /it is there again/)
    assert.equal(one.lock('0').clean, false)
  })

  it('leaves the locks of a frozen service alone, and says so', async t => {
    const one = await stage(t, { services: ['svc', 'web'] })
    one.fail()
    one.memory.put(keys.freeze, JSON.stringify({ frozen: true, by: 'hand', since: '' }))
    const before = await lookBeforeAsking(one.fake.consul, 'b')
    assert.equal(cleanWords(before), '3 locks of web become clean; svc is frozen')
    assert.deepEqual(await declareOff(one.fake.consul, before), ['svc is frozen'])
    assert.deepEqual([one.lock('0').clean, one.lock('0', 'web').clean], [false, true])
  })

  it('asks for the name once more', async t => {
    const one = await stage(t)
    one.fail()
    const before = await lookBeforeAsking(one.fake.consul, 'b')
    const asked: string[] = []
    const ask = async (_: string, instead: string) => {
      asked.push(instead)
      return 'y'
    }
    await assert.rejects(mustBeSure(before, 'c', ask), /cannot take b for off: not confirmed/)
    await assert.rejects(mustBeSure(before, undefined, ask), /not confirmed/)
    await mustBeSure(before, 'b', ask)
    await mustBeSure(before, undefined, async () => 'b')
    assert.deepEqual(asked, ['say --yes-it-is-off b'])
  })
})
