import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Definition } from '../../lib/definition/definition.ts'
import type { Lock } from '../../lib/keys/lock.ts'
import type { Snapshot } from '../../lib/look/snapshot.ts'
import { plan } from '../../lib/plan/plan.ts'
import { saysOther, unstartable } from '../../lib/plan/rolling.ts'
import type { Step } from '../../lib/plan/step.ts'
import { rollWork } from '../../lib/roll/due.ts'
import { inForceFor, isAsMeant, meantFor, type Ran, whyNot } from '../../lib/roll/meant.ts'
import { definition, heldBy, locals, locks, me, memberOne, other, snapshotOf } from '../fixtures/cluster.ts'
import { inForce } from './records.ts'

const versions = { pattern: '^\\d+\\.\\d+$', keep: 1, timeoutMs: 1000 }
const versioned: Definition = { ...definition, versions }
const prepared: Definition = { ...definition, versions: { ...versions, prepare: ['./prepare', '{version}'] } }
const settings = { drained: [], held: [], epoch: 0 }
const old = { ...settings, version: '1.0' }
const rolling = { ...old, roll: { id: 'r1', to: '2.0' } }

const lockOf = (ran: Partial<Ran>, over: Partial<Lock> = {}) => locks.held(me, { held: heldBy(me, ran), ...over })
const steps = (over: Partial<Snapshot>) => {
  const snapshot = snapshotOf({ definition: versioned, partitions: new Set(['0']), settings: old, ...over })
  return plan(snapshot, new Map([['0', me]])).steps
}
const local = (one: ReturnType<typeof locals.idle>) => ({ local: new Map([['0', one]]) })
const lock = (one: Lock) => ({ locks: new Map([['0', one]]) })
const start: Step = { do: 'start', partition: '0' }
const rewrite = (anew: Ran): Step => ({ do: 'reclaim', partition: '0', index: 100, held: true, anew })

describe('the version that a partition is started in', () => {
  const rows: [what: string, over: Partial<Snapshot>, expected: Ran][] = [
    ['is the one in force', { settings: old }, { version: '1.0' }],
    ['is none where there is none yet', { settings }, { version: '' }],
    [
      'is the first one of the definition until one is rolled out',
      { settings, definition: { ...definition, versions: { ...versions, first: '0.9' } } },
      { version: '0.9' },
    ],
    [
      'is its own where some partitions have another one',
      { settings: { ...old, only: [{ partitions: '0', version: '1.5' }] } },
      { version: '1.5' },
    ],
    ['is the empty one without versions in the definition', { settings: old, definition }, { version: '' }],
    [
      'stays the one in force until its turn',
      { settings: rolling, roll: inForce({ cursor: null }) },
      { version: '1.0' },
    ],
    [
      'stays so where others come first',
      { settings: rolling, roll: inForce({ unit: 'instance', cursor: '0:svc' }) },
      { version: '1.0' },
    ],
    [
      'is the new one once its turn has come',
      { settings: rolling, roll: inForce({ cursor: '0' }) },
      { version: '2.0', roll: 'r1' },
    ],
    [
      'is the new one while the roll-out is paused',
      { settings: rolling, roll: inForce({ cursor: '5', state: 'paused', before: 'rolling' }) },
      { version: '2.0', roll: 'r1' },
    ],
    [
      'is the one in force again while it goes back',
      { settings: rolling, roll: inForce({ cursor: '5', state: 'reverting' }) },
      { version: '1.0' },
    ],
    [
      'is the one in force again while that is paused',
      { settings: rolling, roll: inForce({ cursor: '5', state: 'paused', before: 'reverting' }) },
      { version: '1.0' },
    ],
    [
      'is the one in force for what the roll-out is not for',
      { settings: rolling, roll: inForce({ cursor: '5', only: 'x*' }) },
      { version: '1.0' },
    ],
    [
      'is the one in force where the record is another one’s',
      { settings: { ...old, roll: { id: 'r2', to: '3.0' } }, roll: inForce({ cursor: '5' }) },
      { version: '1.0' },
    ],
    [
      'is the one in force where the record is garbled',
      { settings: rolling, roll: { garbled: true, index: 1 } },
      { version: '1.0' },
    ],
    ['is the one in force where the record is missing', { settings: rolling, roll: null }, { version: '1.0' }],
    [
      'is the same where everything is only started again',
      { settings: { ...old, roll: { id: 'r1', to: null } }, roll: inForce({ to: null, cursor: '0' }) },
      { version: '1.0', roll: 'r1' },
    ],
    [
      'goes by the instance where one process has all partitions',
      { settings: rolling, roll: inForce({ unit: 'instance', cursor: me }) },
      { version: '2.0', roll: 'r1' },
    ],
    [
      'is marked where it is started once more',
      { settings: rolling, roll: inForce({ cursor: '0', again: ['0'], round: 3 }) },
      { version: '2.0', roll: 'r1.3' },
    ],
  ]
  for (const [what, over, expected] of rows)
    it(what, () => {
      const snapshot = snapshotOf({ definition: versioned, ...over })
      assert.deepEqual(meantFor(snapshot, snapshot.definition, '0', me), expected)
    })

  it('of some partitions is that of the last entry that fits', () => {
    const only = [
      { partitions: 'a*', version: '2' },
      { partitions: '*b', version: '3' },
    ]
    const found = ['a', 'ab', 'b', 'c'].map(id => inForceFor({ ...old, only }, undefined, id))
    assert.deepEqual(found, ['2', '3', '3', '1.0'])
  })
})

describe('a process as it is meant', () => {
  const meant = { version: '2.0', roll: 'r1' }
  const rows: [what: string, ran: Ran | null, meant: Ran, expected: boolean][] = [
    ['runs in that version', { version: '2.0' }, { version: '2.0' }, true],
    ['does not run in another one', { version: '1.0', roll: 'r1' }, meant, false],
    ['was started by the roll-out that asks for it', { version: '2.0', roll: 'r1' }, meant, true],
    ['was not started by an earlier one', { version: '2.0', roll: 'r0' }, meant, false],
    ['may have been started once more', { version: '2.0', roll: 'r1.2' }, meant, true],
    [
      'must be started once more where that is asked',
      { version: '2.0', roll: 'r1' },
      { version: '2.0', roll: 'r1.2' },
      false,
    ],
    ['may have been started by any where none asks', { version: '2.0', roll: 'r0' }, { version: '2.0' }, true],
    ['is none where nobody knows how it was started', null, { version: '' }, false],
  ]
  for (const [what, ran, wanted, expected] of rows) it(what, () => assert.equal(isAsMeant(ran, wanted), expected))
})

describe('a roll-out makes the holder', () => {
  it('leave alone what runs, in whatever version: it restarts only what it is asked to', () => {
    const roll = inForce({ cursor: '0' })
    assert.deepEqual(
      steps({ settings: rolling, roll, ...lock(lockOf({ version: '1.0' })), ...local(locals.running()) }),
      [],
    )
  })
  it('stop what it is asked to restart', () => {
    const over = { ...lock(lockOf({ version: '1.0' })), ...local(locals.running()), restarts: new Map([['0', 55]]) }
    assert.deepEqual(steps({ settings: rolling, roll: inForce({ cursor: '0' }), ...over }), [
      { do: 'restart', partition: '0', request: 55 },
    ])
  })
  it('write the new version into the lock’s value once the process is gone, and only then start', () => {
    const roll = inForce({ cursor: '0' })
    const gone = local(locals.quiet())
    assert.deepEqual(steps({ settings: rolling, roll, ...lock(lockOf({ version: '1.0' })), ...gone }), [
      rewrite({ version: '2.0', roll: 'r1' }),
    ])
    assert.deepEqual(steps({ settings: rolling, roll, ...lock(lockOf({ version: '2.0', roll: 'r1' })), ...gone }), [
      start,
    ])
  })
  it('write no other version while a process may live', () => {
    const over = { ...lock(lockOf({ version: '1.0' })), ...local(locals.running({ shepherd: null })) }
    assert.deepEqual(steps({ settings: rolling, roll: inForce({ cursor: '0' }), ...over }), [start])
  })
  it('write nothing while its lease does not run', () => {
    const over = { ...lock(lockOf({ version: '1.0' })), ...local(locals.quiet({ leaseRuns: false })) }
    assert.deepEqual(steps({ settings: rolling, roll: inForce({ cursor: '0' }), ...over }), [])
  })
  it('bring back the version in force in the same way', () => {
    const over = { ...lock(lockOf({ version: '2.0', roll: 'r1' })), ...local(locals.quiet()) }
    assert.deepEqual(steps({ settings: rolling, roll: inForce({ cursor: '0', state: 'reverting' }), ...over }), [
      rewrite({ version: '1.0' }),
    ])
  })
  it('take back its lost lock in the version that runs', () => {
    const over = { ...lock(lockOf({ version: '1.0' }, { session: null })), ...local(locals.running()) }
    assert.deepEqual(steps({ settings: rolling, roll: inForce({ cursor: '0' }), ...over }), [
      { do: 'reclaim', partition: '0', index: 100, held: false },
    ])
  })

  const one = { ...versioned, run: { ...definition.run, per: 'instance' as const } }
  const both = (restarts: ReadonlyMap<string, number>, second: Ran) => {
    const snapshot = snapshotOf({
      definition: one,
      settings: rolling,
      roll: inForce({ unit: 'instance', cursor: me }),
      locks: new Map([
        ['0', lockOf({ version: '1.0' })],
        ['1', lockOf(second)],
      ]),
      local: new Map([
        ['0', locals.running()],
        ['1', locals.running()],
      ]),
      restarts,
    })
    return plan(snapshot, new Map([['0', me], ['1', me]])).steps // biome-ignore format: a table
  }
  it('restart all partitions of one process together', () => {
    assert.deepEqual(both(new Map([['1', 55]]), { version: '1.0' }), [
      { do: 'restart', partition: '0', request: null },
      { do: 'restart', partition: '1', request: 55 },
    ])
    assert.deepEqual(both(new Map(), { version: '2.0', roll: 'r1' }), [
      { do: 'restart', partition: '0', request: null },
    ])
    assert.deepEqual(both(new Map(), { version: '1.0' }), [])
  })
})

describe('a version that must not be started here', () => {
  const rows: [what: string, of: Definition, prepared: string[] | null, version: string, why: RegExp | null][] = [
    ['is none', versioned, null, '', /^no version is in force/],
    [
      'does not fit the pattern of the definition here, whatever Consul says',
      versioned,
      null,
      '2.0;rm',
      /does not fit/,
    ],
    ['is not prepared', prepared, ['1.0'], '2.0', /not prepared/],
    ['is no hindrance once it is prepared', prepared, ['1.0', '2.0'], '2.0', null],
    ['is no hindrance where nothing has to be prepared', versioned, null, '2.0', null],
    ['is no hindrance without versions', definition, null, '', null],
  ]
  for (const [what, of, ready, version, why] of rows)
    it(what, () => {
      const found = whyNot(of, ready, version)
      if (why === null) assert.equal(found, null)
      else assert.match(found ?? '', why)
    })

  it('is no reason to stop what runs: the restart waits until it is prepared', () => {
    const over = {
      ...{ settings: rolling, roll: inForce({ cursor: '0' }), definition: prepared, restarts: new Map([['0', 55]]) },
      ...lock(lockOf({ version: '1.0' })),
    }
    const restart: Step = { do: 'restart', partition: '0', request: 55 }
    const without = { ...over, own: { prepared: ['1.0'] } }
    const restarts = (over: Partial<Snapshot>) => steps(over).filter(step => step.do !== 'enter')
    assert.deepEqual(restarts({ ...without, ...local(locals.running()) }), [])
    assert.deepEqual(restarts({ ...without, ...local(locals.running({ restart: true })) }), [])
    assert.deepEqual(restarts({ ...without, ...local(locals.quiet()) }), [restart])
    assert.deepEqual(restarts({ ...over, own: { prepared: ['1.0', '2.0'] }, ...local(locals.running()) }), [restart])
    const said = unstartable(snapshotOf({ ...without, ...local(locals.running()) }))
    assert.equal(said.get('0'), 'waits to be restarted: version 2.0 is not prepared here yet')
  })

  it('keeps the lock, starts nothing, and says why', () => {
    const over = { settings, definition: versioned, ...lock(lockOf({ version: '' })), ...local(locals.quiet()) }
    assert.deepEqual(steps(over), [])
    const said = unstartable(snapshotOf(over))
    assert.match(said.get('0') ?? '', /^no version: no version is in force: watchbill roll --to/)
  })
})

describe('an instance', () => {
  const own = { prepared: ['1.0'] }
  const base = { definition: prepared, settings: old, own }
  const work = (over: Partial<Snapshot>) => rollWork(snapshotOf({ ...base, ...over }))

  it('has nothing to do while no roll-out is under way and everything is prepared', () => {
    assert.deepEqual(work({}), { leads: false, prepare: [], clean: [], forgets: false })
  })
  it('prepares the next version, before anything of it may be started', () => {
    assert.deepEqual(work({ settings: rolling, roll: inForce({ state: 'preparing' }) }).prepare, ['2.0'])
  })
  it('prepares the version in force when it is new', () => {
    assert.deepEqual(work({ own: { prepared: [] } }).prepare, ['1.0'])
  })
  it('has the roll-out go on when it is the first by name of those that can', () => {
    const over = { settings: rolling, roll: inForce() }
    assert.equal(work(over).leads, true)
    assert.equal(work({ ...over, instance: other }).leads, false)
    const { rolls: _, ...older } = memberOne(me)
    assert.equal(work({ ...over, instance: other, members: [older, memberOne(other)] }).leads, true)
    for (const absence of ['leaving', 'not passing', 'not registered'] as const)
      assert.equal(
        work({ ...over, instance: other, members: [memberOne(me, { absence }), memberOne(other)] }).leads,
        true,
      )
  })
  it('cleans what nobody uses, beyond what is to be kept, the oldest first', () => {
    const many = { own: { prepared: ['0.7', '0.8', '0.9', '1.0'] } }
    assert.deepEqual(work(many).clean, ['0.7', '0.8'])
    assert.deepEqual(work({ ...many, locks: new Map([['0', lockOf({ version: '0.7' })]]) }).clean, ['0.8'])
    assert.deepEqual(work({ ...many, settings: rolling, roll: inForce() }).clean, [])
  })
  it('forgets what it could not prepare, once nobody wants that any more', () => {
    const failed = { own: { prepared: ['1.0'], failed: { version: '2.0', why: 'x', of: 'r1.0' } } }
    assert.equal(work(failed).forgets, true)
    assert.equal(work({ ...failed, settings: rolling, roll: inForce({ state: 'preparing' }) }).forgets, false)
  })
  it('writes its member key anew when it has prepared something, or could not', () => {
    const says = (versions: object) => memberOne(me, { versions: { pattern: '', prepared: ['1.0'], ...versions } })
    const snapshot = snapshotOf(base)
    assert.equal(saysOther(snapshot, says({})), false)
    assert.equal(saysOther(snapshot, says({ prepared: [] })), true)
    assert.equal(saysOther(snapshot, says({ failed: { version: '2.0', why: 'x', of: 'r1.0' } })), true)
  })
})
