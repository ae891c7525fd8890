/** Powering a machine off, against a model of Consul: what is marked clean, and what never is. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { keysOf } from '../../lib/base/names.ts'
import type { Runs } from '../../lib/power/power.ts'
import { sessionOf } from '../fixtures/cluster.ts'
import { keys, locksOfB, type Stage, settingsFile, stage, takenBy } from './cluster.ts'

const isClean = ({ lock }: Stage, id: string) => lock(id).clean
const cleanOf = (stage: Stage) => locksOfB.filter(id => isClean(stage, id))

/** Exits as told, after something has happened. */
function command(ran: string[], outcomes: Record<string, string | (() => unknown)>): Runs {
  return async ([program = ''], node) => {
    ran.push(`${program} ${node}`)
    const outcome = outcomes[program]
    if (typeof outcome === 'string') return outcome
    await outcome?.()
    return null
  }
}

/** Does something before the nth question for failed nodes is answered. @returns how many there were */
function atLook({ fake }: Stage, nth: number, act: () => void): () => number {
  let looks = 0
  fake.script = ({ path }) => {
    if (path.startsWith('/v1/health/state/') && ++looks === nth) act()
    return undefined
  }
  return () => looks
}

/** Its node has failed, and Consul has not ended its session. */
function failWithSession({ memory }: Stage): void {
  memory.nodes.set('b', { serfHealth: 'critical', services: memory.nodes.get('b')?.services ?? new Map() })
}

settingsFile()

describe('a machine that has failed', { concurrency: true }, () => {
  it('is powered off, made sure of, and its locks are clean: others take them at once', async t => {
    const one = await stage(t)
    one.fail()
    assert.match(await one.power(), /^b is off, and its locks are clean; b: it has no lock that could be freed$/)
    assert.deepEqual(one.ran, ['/off b', '/is-off b'])
    assert.deepEqual(cleanOf(one), locksOfB)
    assert.deepEqual([one.lock('0').by, one.lock('0').session], ['b:svc', null])
    assert.equal((one.memory.value(keys.lock('0')) as { off: string }).off, 'a:svc', 'the value says by whose word')
    assert.equal(one.lock('2').held?.instance, 'c:svc', 'the lock of another is as it was')
    const { state, by, boot } = one.record() as Record<string, string>
    assert.deepEqual([state, by, typeof boot], ['off', 'a:svc', 'string'])
    assert.equal(one.turn()?.begun.length, 1)
    assert.equal(
      one.memory.below('watchbill/.power/').filter(({ Session }) => Session).length,
      0,
      'nobody holds a turn',
    )
    assert.ok(one.memory.keys.has(keys.look), 'everyone is told to look')
  })

  it('frees the locks of all services that may be read', async t => {
    const one = await stage(t, { services: ['svc', 'web', 'hidden'] })
    one.memory.denied = key => key.startsWith(keysOf('hidden').root)
    one.fail()
    await one.power()
    assert.deepEqual(
      [one.lock('0').clean, one.lock('0', 'web').clean, one.lock('0', 'hidden').clean],
      [true, true, false],
    )
  })

  it('frees nothing when the command fails, and is not tried again', async t => {
    const one = await stage(t)
    one.fail()
    const fails = command(one.ran, { '/off': '/off: exit 1: no such outlet' })
    assert.match(await one.power('a', fails), /^b is not powered off: \/off: exit 1: no such outlet; b: it could not/)
    assert.match(await one.power('c', fails), /^b: it could not be powered off/)
    assert.deepEqual([one.ran, cleanOf(one)], [['/off b'], []])
    assert.equal(one.record()?.state, 'failed')
  })

  it('frees nothing when it is not confirmed', async t => {
    const one = await stage(t)
    one.fail()
    await one.power('a', command(one.ran, { '/is-off': '/is-off: exit 1: it is on' }))
    assert.deepEqual([one.ran, cleanOf(one), one.record()?.state], [['/off b', '/is-off b'], [], 'failed'])
  })

  it('leaves alone what others have taken while the command ran', async t => {
    const one = await stage(t)
    one.fail()
    const taken = () => {
      takenBy(one, '0')
      one.memory.session('lost', 'c')
      takenBy(one, '1', 'c', 'lost')
      one.memory.destroy('lost') // free again, and its last holder lives
    }
    await one.power('a', command(one.ran, { '/off': taken }))
    assert.deepEqual([cleanOf(one), one.lock('0').held?.instance], [['a/b'], 'c:svc'])
    assert.match(String(one.record()?.why), /^left to the takeover wait: svc\/0, svc\/1$/)
  })

  it('frees nothing when it is there again after the command: nobody is off who gossips', async t => {
    const one = await stage(t)
    one.fail()
    await one.power('a', command(one.ran, { '/is-off': () => one.back() }))
    assert.deepEqual([cleanOf(one), one.record()?.why], [[], 'it is there again'])
  })

  it('is left alone when it comes back in time', async t => {
    const one = await stage(t)
    one.fail()
    atLook(one, 2, () => one.back())
    assert.equal(await one.power(), 'nothing to do')
    assert.deepEqual(one.ran, [])
  })

  it('is waited for anew when it came back and failed again, though no look saw that', async t => {
    const one = await stage(t)
    one.fail()
    const looks = atLook(one, 2, () => {
      one.back()
      one.fail()
    })
    await one.power()
    assert.deepEqual([one.ran, looks() >= 3], [['/off b', '/is-off b'], true])
  })

  it('is left alone when it comes back just before the command', async t => {
    const one = await stage(t)
    one.fail()
    one.fake.script = ({ operations }) => {
      if (operations.some(({ Verb, Key }) => Verb === 'lock' && Key.includes('/.power/'))) one.back()
      return undefined
    }
    await one.power()
    assert.deepEqual([one.ran, one.turn()?.begun, cleanOf(one)], [[], [], []])
  })

  it('is powered off by one of two survivors', async t => {
    const one = await stage(t)
    one.fail()
    const said = await Promise.all([one.power('a'), one.power('c')])
    assert.deepEqual(one.ran, ['/off b', '/is-off b'])
    assert.equal(said.filter(text => text.includes('b is off, and')).length, 1, said.join(' / '))
    assert.deepEqual(cleanOf(one), locksOfB)
  })

  it('is powered off again by another one when the first dies in the middle', async t => {
    const one = await stage(t)
    one.fail()
    const dies: Runs = async () => {
      for (const [id, { Name }] of [...one.memory.sessions])
        if (Name.startsWith('watchbill power')) one.memory.destroy(id)
      throw new Error('killed')
    }
    await assert.rejects(one.power('a', dies), /killed/)
    assert.deepEqual([one.record()?.state, cleanOf(one)], ['under way', []])
    await one.power('c')
    assert.deepEqual([one.ran, cleanOf(one)], [['/off b', '/is-off b'], locksOfB])
    assert.equal(one.turn()?.begun.length, 2, 'both count')
  })

  for (const isHeld of [false, true])
    it(`frees nothing once the turn was lost${isHeld ? ', also no lock that is still held' : ''}`, async t => {
      const one = await stage(t)
      if (isHeld) failWithSession(one)
      else one.fail()
      const loses = command(one.ran, {
        '/is-off': () => {
          for (const [id, { Name }] of [...one.memory.sessions])
            if (Name.startsWith('watchbill power')) one.memory.destroy(id)
        },
      })
      await assert.rejects(one.power('a', loses), /the turn was lost/)
      assert.deepEqual(cleanOf(one), [])
    })

  it('is left alone while a service of it is frozen, and frees nothing when a freeze begins meanwhile', async t => {
    const one = await stage(t)
    const freeze = () => one.memory.put(keys.freeze, JSON.stringify({ frozen: true, by: 'hand', since: '' }))
    one.fail()
    await one.power('a', command(one.ran, { '/off': freeze }))
    assert.deepEqual([one.ran, cleanOf(one)], [['/off b', '/is-off b'], []])
    one.back()
    one.fail()
    assert.equal(await one.power(), 'b: svc is frozen')
  })

  it('leaves locks alone that wait longer for their instance', async t => {
    const one = await stage(t, { calm: { waitMs: 600_000 } })
    one.fail()
    assert.equal(await one.power(), 'b: it has no lock that could be freed')
  })

  it('gives locks back whose session Consul has not ended yet, and ends that', async t => {
    const one = await stage(t)
    failWithSession(one)
    assert.notEqual(one.lock('0').session, null)
    await one.power()
    assert.deepEqual(cleanOf(one), locksOfB)
    assert.deepEqual([one.lock('0').session, one.memory.sessions.has(sessionOf('b:svc'))], [null, false])
  })

  it('is written down as off before any lock is clean: whoever dies in between has not hidden that', async t => {
    const one = await stage(t)
    one.fail()
    const states: unknown[] = []
    one.fake.script = ({ operations }) => {
      if (operations.some(({ Verb, Key }) => Verb === 'unlock' && Key === keys.lock('0')))
        states.push(one.record()?.state)
      return undefined
    }
    await one.power()
    assert.deepEqual(states, ['off'])
  })

  it('keeps the session that it makes when it has booted again while its locks are marked', async t => {
    const one = await stage(t)
    failWithSession(one)
    one.fake.script = ({ operations }) => {
      if (operations.some(({ Verb, Key }) => Verb === 'unlock' && Key === keys.lock('0'))) {
        one.back()
        one.memory.session('again', 'b', 'watchbill b:svc')
      }
      return undefined
    }
    await one.power()
    assert.deepEqual([one.memory.sessions.has(sessionOf('b:svc')), one.memory.sessions.has('again')], [false, true])
  })

  it('whose value nobody believes keeps its takeover wait', async t => {
    const one = await stage(t)
    one.fail()
    one.memory.put(keys.lock('0'), JSON.stringify(one.memory.value(keys.lock('0'))))
    await one.power()
    assert.deepEqual(cleanOf(one), ['1', 'a/b'])
  })
})
