import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Amount, Roll } from '../../lib/keys/roll.ts'
import { next, type Order, ordered, orders, type View } from '../../lib/roll/next.ts'
import { at, down, fresh, old, played, rollOf, settle, viewOf } from './records.ts'

const young = { readyFor: settle - 1 }
const names = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']
const olds = names.map(name => old(name))

describe('a roll-out under way', () => {
  const rows: [what: string, roll: Partial<Roll>, view: View, expected: Partial<Roll>, ask: string[]][] = [
    ['begins with as many as may be unavailable', {}, viewOf(olds), { cursor: '1' }, ['0', '1']],
    ['takes a share of all, rounded down', { max: { percent: 39 } }, viewOf(olds), { cursor: '2' }, ['0', '1', '2']],
    ['takes one at least', { max: { percent: 1 } }, viewOf(olds), { cursor: '0' }, ['0']],
    [
      'asks nobody twice',
      { cursor: '1' },
      viewOf(olds, { asked: new Set(['0']) }),
      { cursor: '1', state: 'rolling' },
      ['1'],
    ],
    [
      'does not go on before what it restarted is ready for long enough',
      { cursor: '1' },
      viewOf([fresh('0', young), fresh('1', young), ...olds.slice(2)]),
      { cursor: '1' },
      [],
    ],
    [
      'goes on with one as soon as one is well',
      { cursor: '1' },
      viewOf([fresh('0'), fresh('1', young), ...olds.slice(2)]),
      { cursor: '2' },
      ['2'],
    ],
    [
      'counts what is down for other reasons as unavailable',
      {},
      viewOf([...olds.slice(0, 8), old('8', down)]),
      { cursor: '0' },
      ['0'],
    ],
    [
      'restarts nothing while enough is down for other reasons',
      {},
      viewOf([...olds.slice(0, 8), old('8', down), old('9', down)]),
      { cursor: null },
      [],
    ],
    [
      'counts what is outside of it as unavailable, too',
      { only: 'x' },
      viewOf([...olds.slice(0, 8), old('8', { ...down, covered: false }), old('9', { ...down, covered: false })]),
      { cursor: null },
      [],
    ],
    [
      'lets what is down already have the new version: that makes nothing worse',
      {},
      viewOf([old('0', down), old('1', down), ...olds.slice(2)]),
      { cursor: '1' },
      ['0', '1'],
    ],
    [
      'waits for one whose machine has died, which is no failure',
      { cursor: '1' },
      viewOf(
        [fresh('0'), fresh('1', { ...down, partitions: [], notNew: [], notOld: [], instance: null }), ...olds.slice(2)],
        {
          age: () => 10 * 60_000,
        },
      ),
      { cursor: '2', state: 'rolling' },
      ['2'],
    ],
    [
      'has one that moved meanwhile, in the old version, started again',
      { cursor: '2' },
      viewOf([fresh('0'), fresh('1'), old('2'), ...olds.slice(3)]),
      { cursor: '3' },
      ['2', '3'],
    ],
    [
      'is done once all are well',
      { cursor: '9' },
      viewOf(names.map(name => fresh(name))),
      { state: 'done', cursor: '9' },
      [],
    ],
    ['is done where there is nothing', {}, viewOf([]), { state: 'done' }, []],
    [
      'takes those that came meanwhile, too',
      { cursor: '9' },
      viewOf([...names.map(name => fresh(name)), old('10')]),
      { state: 'rolling', cursor: '10' },
      ['10'],
    ],
    [
      'ends its first step before the second begins',
      { steps: [{ number: 1 }, { percent: 100 }] },
      viewOf(olds),
      { step: 0, cursor: '0' },
      ['0'],
    ],
    [
      'goes on with the second step',
      { steps: [{ number: 1 }, { percent: 100 }], cursor: '0' },
      viewOf([fresh('0'), ...olds.slice(1)]),
      { step: 1, state: 'rolling' },
      [],
    ],
    [
      'waits between two steps where people are to see each',
      { steps: [{ number: 1 }, { percent: 100 }], cursor: '0', ack: true },
      viewOf([fresh('0'), ...olds.slice(1)]),
      { step: 1, state: 'waiting' },
      [],
    ],
    [
      'rounds a step up',
      { steps: [{ percent: 11 }, { percent: 100 }], max: { number: 9 } },
      viewOf(olds),
      { step: 0, cursor: '1' },
      ['0', '1'],
    ],
    ['does nothing while it waits', { state: 'waiting' }, viewOf(olds), { state: 'waiting' }, []],
    ['does nothing while it is paused', { state: 'paused' }, viewOf(olds), { state: 'paused' }, []],
    ['does nothing once it has stopped', { state: 'stopped' }, viewOf(olds), { state: 'stopped' }, []],
  ]
  for (const [what, over, view, expected, ask] of rows)
    it(what, () => {
      const found = next(rollOf(over), view)
      assert.deepEqual(found.ask, ask)
      for (const [field, value] of Object.entries(expected))
        assert.deepEqual(found.roll[field as keyof Roll], value, field)
    })

  it('changes no record where nothing is new, so that nothing is written', () => {
    const roll = rollOf({ cursor: '1', of: 10 })
    assert.equal(next(roll, viewOf(olds, { asked: new Set(['0', '1']) })).roll, roll)
  })

  it('says for whom it waits', () => {
    const found = next(
      rollOf({ cursor: '1' }),
      viewOf([fresh('0', young), old('1'), ...olds.slice(2, 9), old('9', down)]),
    )
    assert.equal(found.waits, '0, 1, 9 to be ready')
  })
})

describe('a version that does not work', () => {
  const after = (unit: Parameters<typeof fresh>[1], over: Partial<Roll> = {}, age = 5000) => {
    const units = [fresh('0', { ...down, ...unit }), ...olds.slice(1)]
    return next(rollOf({ cursor: '0', ...over }), viewOf(units, { age: () => age })).roll
  }
  const rows: [what: string, unit: Parameters<typeof fresh>[1], age: number, why: RegExp | null][] = [
    ['stops it when it ends again and again', { restarts: 2 }, 5000, /^0 on a:svc ended 2 times since its start$/],
    ['is forgiven a single end', { restarts: 1 }, 5000, null],
    [
      'stops it when its holder says that it fails',
      { restarts: 1, failing: 'crash-looping since 1: exit 1' },
      5000,
      /^0 on a:svc fails: crash-looping since 1: exit 1$/,
    ],
    ['is given the time that a report of the earlier process may stand', { failing: 'crash-looping' }, 5000, null],
    ['stops it after that', { failing: 'cannot start: no such file' }, 11_000, /^0 on a:svc fails: cannot start/],
    ['is given the limit', {}, 69_000, null],
    ['stops it when it is not ready in time', {}, 71_000, /^0 on a:svc is not ready after 60 s$/],
  ]
  for (const [what, unit, age, why] of rows)
    it(what, () => {
      const roll = after(unit, {}, age)
      assert.equal(roll.state, why === null ? 'rolling' : 'stopped')
      if (why !== null) assert.match(roll.why ?? '', why)
      assert.equal(roll.changed, why === null ? rollOf().changed : at)
    })

  it('does not stop it once it has been well for long enough', () => {
    const units = [fresh('0', { restarts: 7 }), ...olds.slice(1)]
    assert.equal(next(rollOf({ cursor: '0' }), viewOf(units)).roll.state, 'rolling')
  })

  it('has it go back by itself where that is asked for', () => {
    const roll = after({ restarts: 2 }, { autoRevert: true })
    assert.deepEqual([roll.state, roll.why], ['reverting', '0 on a:svc ended 2 times since its start'])
  })

  it('is not looked at in what people have skipped', () => {
    assert.equal(after({ restarts: 9 }, { skipped: ['0'] }).state, 'rolling')
  })
})

describe('a roll-out that goes back', () => {
  it('brings what is down back first, and no more of the rest than may be unavailable', () => {
    const units = [fresh('0', down), fresh('1', down), fresh('2'), fresh('3'), ...olds.slice(4)]
    assert.deepEqual(next(rollOf({ state: 'reverting' }), viewOf(units)).ask, ['0', '1'])
    const one = [fresh('0', down), fresh('1'), fresh('2'), fresh('3'), ...olds.slice(4)]
    assert.deepEqual(next(rollOf({ state: 'reverting' }), viewOf(one)).ask, ['0', '1'])
  })
  it('counts those that are asked already', () => {
    const units = [fresh('0'), fresh('1'), fresh('2'), ...olds.slice(3)]
    assert.deepEqual(next(rollOf({ state: 'reverting' }), viewOf(units, { asked: new Set(['1']) })).ask, ['0'])
  })
  it('is over once nothing has the new version', () => {
    assert.equal(next(rollOf({ state: 'reverting' }), viewOf(olds)).roll.state, 'reverted')
  })
})

describe('the preparation', () => {
  const member = (instance: string, prepared: string[] | null, failed?: { version: string; why: string; of: string }) =>
    ({
      instance,
      absence: null,
      versions: { pattern: '^.*$', prepared, ...(failed && { failed }) },
    }) as View['members'][number]
  const prepare = (members: View['members'], over: Partial<Roll> = {}) =>
    next(rollOf({ state: 'preparing', ...over }), viewOf(olds, { members }))

  it('restarts nothing before every instance has prepared the version', () => {
    const found = prepare([member('a:svc', ['2.0']), member('b:svc', ['1.0'])])
    assert.deepEqual([found.roll.state, found.ask, found.waits], ['preparing', [], 'b:svc to prepare 2.0'])
  })
  it('is over once all have, or need not', () => {
    const found = prepare([member('a:svc', ['1.0', '2.0']), member('b:svc', null)])
    assert.deepEqual([found.roll.state, found.ask], ['rolling', []])
  })
  it('stops, and names the machine, when one cannot', () => {
    const failed = { version: '2.0', why: 'exit 1: no such image', of: 'r1.0' }
    const { roll } = prepare([member('a:svc', ['2.0']), member('b:svc', [], failed)])
    assert.deepEqual(
      [roll.state, roll.before, roll.why],
      ['stopped', 'preparing', 'b:svc cannot prepare 2.0: exit 1: no such image'],
    )
    const again = ordered(roll, 'resume', viewOf(olds)) as Roll
    assert.deepEqual([again.state, again.round], ['preparing', 1])
    // What failed in an earlier round counts no more.
    assert.equal(next(again, viewOf(olds, { members: [member('b:svc', [], failed)] })).roll.state, 'preparing')
  })
  it('waits for nobody that leaves, or that people have skipped', () => {
    const leaving = { ...member('b:svc', []), absence: 'leaving' } as View['members'][number]
    assert.equal(prepare([member('a:svc', ['2.0']), leaving]).roll.state, 'rolling')
    assert.equal(prepare([member('b:svc', [])], { skipped: ['b:svc'] }).roll.state, 'rolling')
  })
  it('is none where everything is only restarted', () => {
    assert.equal(prepare([member('a:svc', ['1.0'])], { to: null }).roll.state, 'rolling')
  })
})

describe('an order of a person', () => {
  const states = ['preparing', 'rolling', 'waiting', 'paused', 'stopped', 'reverting', 'done', 'reverted'] as const
  const allowed: Readonly<Record<Order, readonly string[]>> = {
    pause: ['preparing', 'rolling', 'waiting', 'reverting'],
    resume: ['paused', 'stopped'],
    proceed: ['waiting'],
    skip: ['preparing', 'rolling', 'stopped'],
    revert: ['preparing', 'rolling', 'waiting', 'paused', 'stopped'],
  }
  for (const order of orders)
    it(`${order} means something only in ${allowed[order].join(', ')}`, () => {
      const found = states.filter(state => ordered(rollOf({ state }), order, viewOf(olds)) !== null)
      assert.deepEqual(found, allowed[order])
    })

  it('pauses, and goes on where it was', () => {
    for (const state of ['preparing', 'rolling', 'waiting', 'reverting'] as const) {
      const paused = ordered(rollOf({ state, cursor: '3' }), 'pause', viewOf(olds)) as Roll
      assert.deepEqual([paused.state, paused.before], ['paused', state])
      const on = ordered(paused, 'resume', viewOf(olds)) as Roll
      assert.deepEqual([on.state, on.before, on.cursor, on.round, on.again], [state, null, '3', 0, []])
    }
  })
  it('has what failed started once more, and nothing else', () => {
    const stopped = rollOf({ state: 'stopped', before: 'rolling', cursor: '2', why: 'x' })
    const units = [fresh('0'), fresh('1', { ...down, restarts: 3 }), old('2', down), ...olds.slice(3)]
    const on = ordered(stopped, 'resume', viewOf(units)) as Roll
    assert.deepEqual([on.state, on.why, on.again, on.round], ['rolling', null, ['1'], 1])
  })
  it('skips what is not well', () => {
    const stopped = rollOf({ state: 'stopped', before: 'rolling', cursor: '2', why: 'x' })
    const units = [fresh('0', young), fresh('1', { ...down, restarts: 3 }), fresh('2'), ...olds.slice(3)]
    const on = ordered(stopped, 'skip', viewOf(units)) as Roll
    assert.deepEqual([on.state, on.why, on.skipped], ['rolling', null, ['1']])
  })
})

describe('any roll-out', () => {
  const amounts = fc.oneof(
    fc.integer({ min: 1, max: 7 }).map((number): Amount => ({ number })),
    fc.integer({ min: 1, max: 100 }).map((percent): Amount => ({ percent })),
  )
  const rolls = fc.record({
    of: fc.integer({ min: 1, max: 30 }),
    max: amounts,
    steps: fc.array(amounts, { maxLength: 3 }).map(some => [...some, { percent: 100 } as Amount]),
  })

  it('restarts each once, and never has more down than it may', () => {
    fc.assert(
      fc.property(rolls, ({ of, max, steps }) => {
        const all = Array.from({ length: of }, (_, at) => String(at))
        const { roll, most, restarted } = played(rollOf({ max, steps }), all)
        const limit = 'number' in max ? max.number : Math.max(1, Math.floor((max.percent * of) / 100))
        assert.equal(roll.state, 'done')
        assert.ok(most <= limit, `${most} were down, of ${limit}`)
        assert.deepEqual([...restarted].sort(), [...all].sort())
        assert.equal(roll.reached, of)
      }),
    )
  })

  it('stops at what is broken, goes back, and never has more down than it may', () => {
    fc.assert(
      fc.property(rolls, fc.nat(), ({ of, max, steps }, which) => {
        const all = Array.from({ length: of }, (_, at) => String(at))
        const broken = [String(which % of)]
        const { roll, most } = played(rollOf({ max, steps, autoRevert: true }), all, { broken })
        const limit = 'number' in max ? max.number : Math.max(1, Math.floor((max.percent * of) / 100))
        assert.equal(roll.state, 'reverted')
        assert.ok(most <= limit, `${most} were down, of ${limit}`)
        assert.match(roll.why ?? '', new RegExp(`^${broken} on `))
      }),
    )
  })
})
