import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import { longestWait } from '../lib/keys/lock.ts'
import type { Absence } from '../lib/keys/member.ts'
import { rosterVersion } from '../lib/keys/member.ts'
import type { Snapshot } from '../lib/look/snapshot.ts'
import { type Plan, partitionsLine, plan } from '../lib/plan/plan.ts'
import type { Step } from '../lib/plan/step.ts'
import {
  digest,
  heldBy,
  locals,
  locks,
  me,
  memberOne,
  now,
  other,
  sessionOf,
  snapshotOf,
  third,
} from './fixtures/cluster.ts'

type Over = Partial<Snapshot>

/** What is planned when the roster gives partition 0 to an instance (me when left out, null for nobody). */
function planned(over: Over, assigned: string | null = me): Plan {
  const snapshot = snapshotOf({ partitions: new Set(['0']), ...over })
  return plan(snapshot, new Map(assigned === null ? [] : [['0', assigned]]))
}

interface Case {
  readonly when: string
  readonly over: Over
  readonly assigned?: string | null
  readonly expected: readonly Step[]
  /** What is left of the takeover wait. */
  readonly waits?: number
}

function table(cases: readonly Case[]) {
  for (const { when, over, assigned, expected, waits } of cases) {
    it(when, () => {
      const { steps, waits: waiting } = planned(over, assigned)
      assert.deepEqual(steps, expected)
      assert.deepEqual([...waiting], waits === undefined ? [] : [['0', waits]])
    })
  }
}

const lock = (one: ReturnType<typeof locks.held>) => ({ locks: new Map([['0', one]]) })
const local = (one: ReturnType<typeof locals.idle>) => ({ local: new Map([['0', one]]) })
const seenFree = (since: number, index = 100) => ({ free: new Map([['0', { index, since }]]) })
const gone = { partitions: new Set<string>() }
const asAbsent = (absence: Absence) => ({ members: [memberOne(me, { absence }), memberOne(other)] })

const partition = '0'
const index = 100
const claim: Step = { do: 'claim', partition, index, takeover: false }
const takeover: Step = { do: 'claim', partition, index, takeover: true }
const reclaim = { do: 'reclaim', partition, index, held: false } as const
const rewrite = { ...reclaim, held: true } as const
const release: Step = { do: 'release', partition, index, held: true, next: null, removed: false }
const disown: Step = { do: 'disown', partition, index, next: null }
const stop = (why: string): Step => ({ do: 'stop', partition, why })

describe('what is to come', () => {
  it('counts the partitions that are to be this instance’s, and still are held by another', () => {
    const incoming = (one: ReturnType<typeof locks.held>, assigned: string) => planned(lock(one), assigned).incoming
    assert.equal(incoming(locks.held(other), me), 1)
    assert.equal(incoming(locks.held(other), other), 0)
    assert.equal(incoming(locks.held(me), me), 0)
    assert.equal(incoming(locks.unclean(other), me), 0)
  })
})

describe('with nothing to do', () => {
  table([
    {
      when: 'what runs under its lock is left alone',
      over: { ...lock(locks.held(me)), ...local(locals.running()) },
      expected: [],
    },
    { when: "another's held lock is left alone", over: lock(locks.held(other)), assigned: other, expected: [] },
    {
      when: "another's held lock is left alone, even when the roster gives the partition to this instance",
      over: lock(locks.held(other)),
      expected: [],
    },
    { when: 'a free lock that is for another is left alone', over: lock(locks.clean()), assigned: other, expected: [] },
    { when: 'a free lock that is for nobody is left alone', over: lock(locks.clean()), assigned: null, expected: [] },
    {
      when: 'a directory of a partition that nobody knows is left alone',
      over: { ...gone, ...local(locals.idle()) },
      expected: [],
    },
    {
      when: 'what has finished is not started again',
      over: { ...lock(locks.held(me)), ...local(locals.quiet({ status: 'finished: exit 0' })) },
      expected: [],
    },
    {
      when: 'what is held while its lease does not run is not started',
      over: { ...lock(locks.held(me)), ...local(locals.quiet({ leaseRuns: false })) },
      expected: [],
    },
  ])
})

describe('a lease that lies ahead of the clock', () => {
  const ahead = { aheadOfClock: true, leaseRuns: false, proof: null }
  table([
    {
      when: 'is over: what runs is stopped and given back, to be claimed as a new acquisition',
      over: { ...lock(locks.held(me)), ...local(locals.running(ahead)) },
      expected: [release],
    },
    {
      when: 'is over where nothing runs any more, too',
      over: { ...lock(locks.held(me)), ...local(locals.quiet(ahead)) },
      expected: [release],
    },
    {
      when: 'takes back no lock that was lost',
      over: { ...lock(locks.unclean(me)), ...local(locals.quiet(ahead)) },
      expected: [takeover],
    },
  ])
})

describe('entering', () => {
  const enter: Step = { do: 'enter' }
  table([
    { when: 'it takes part when it has no session', over: { session: null }, expected: [enter] },
    {
      when: 'it takes part again when its member key tells of another definition',
      over: { members: [memberOne(me, { digest: 'an older one' }), memberOne(other)], ...lock(locks.held(other)) },
      expected: [enter],
    },
    {
      when: 'it takes part again when its member key says a lower version of the roster, as after an upgrade',
      over: { members: [memberOne(me, { roster: 1 }), memberOne(other)], ...lock(locks.held(other)) },
      expected: [enter],
    },
    {
      when: 'it takes part again when its member key says a higher one, as after an upgrade that was taken back',
      over: { members: [memberOne(me, { roster: rosterVersion + 1 }), memberOne(other)], ...lock(locks.held(other)) },
      expected: [enter],
    },
    {
      when: 'it need not take part again because another says another version',
      over: { members: [memberOne(me), memberOne(other, { roster: 1 })], ...lock(locks.held(other)) },
      expected: [],
    },
    {
      when: 'it takes part again when its member key still says that it leaves',
      over: { members: [memberOne(me, { absence: 'leaving' }), memberOne(other)], ...lock(locks.held(other)) },
      expected: [enter],
    },
    {
      when: 'it stays away while its lease cannot be written',
      over: { session: null, renewable: false, ...lock(locks.unclean(other)) },
      expected: [],
    },
    {
      when: 'it hands over, and does not take part again, while its lease cannot be written',
      over: {
        members: [memberOne(me, { absence: 'leaving' }), memberOne(other)],
        renewable: false,
        ...lock(locks.held(me)),
        ...local(locals.running()),
      },
      assigned: other,
      expected: [{ do: 'release', partition: '0', index: 100, held: true, next: other, removed: false }],
    },
    {
      when: 'it takes part before it defines',
      over: { session: null, defined: false, definedLast: null },
      expected: [enter],
    },
    { when: 'it claims nothing without a session', over: { session: null, ...lock(locks.clean()) }, expected: [enter] },
    {
      when: 'it deletes nothing without a session',
      over: { session: null, ...gone, ...lock(locks.clean()) },
      assigned: null,
      expected: [enter],
    },
    {
      when: 'without a session it stops nothing whose lock is free',
      over: { session: null, ...lock(locks.unclean(me)), ...local(locals.running()) },
      expected: [enter],
    },
    {
      when: 'without a session it stops nothing whose lock is missing',
      over: { session: null, ...local(locals.running()) },
      expected: [enter],
    },
    {
      when: 'without a session it stops nothing whose lock is in a session that nobody takes part with',
      over: { session: null, ...lock(locks.held(me, { session: 'an older session' })), ...local(locals.running()) },
      expected: [enter],
    },
    {
      when: 'without a session it stops nothing whose lock is in what stands in its own member key',
      over: { session: null, ...lock(locks.held(me)), ...local(locals.running()) },
      expected: [enter],
    },
    {
      when: 'without a session it stops what another holds',
      over: { session: null, ...lock(locks.held(other)), ...local(locals.running()) },
      expected: [enter, stop(`${other} holds its lock`)],
    },
  ])
})

describe('a partition whose document chooses no command', () => {
  const quiet = { ...lock(locks.held(me)), ...local(locals.quiet({ status: 'no command: /role of …' })) }
  table([
    { when: 'it is not tried again at every look', over: { ...quiet, chosen: digest }, expected: [] },
    {
      when: 'it is tried by another definition',
      over: { ...quiet, chosen: 'another digest' },
      expected: [{ do: 'start', partition: '0' }],
    },
    { when: 'it is tried where none chooses', over: quiet, expected: [{ do: 'start', partition: '0' }] },
    {
      when: 'it is tried once its document is another one',
      over: { ...quiet, ...local(locals.quiet({ status: null })), chosen: digest },
      expected: [{ do: 'start', partition: '0' }],
    },
  ])
})

describe('defining', () => {
  const define: Step = { do: 'define' }
  table([
    {
      when: 'it writes its partitions when nobody has',
      over: { ...gone, defined: false, definedLast: null },
      assigned: null,
      expected: [define],
    },
    {
      when: 'it writes them again when the set is gone',
      over: { ...gone, defined: false },
      assigned: null,
      expected: [define],
    },
    {
      when: 'it looks at the set once, if others wrote it',
      over: { ...gone, definedLast: null },
      assigned: null,
      expected: [define],
    },
    {
      when: 'it writes them again when its own definition has others than before',
      over: { ...gone, definedLast: partitionsLine(['0']) },
      assigned: null,
      expected: [define],
    },
    {
      when: 'it leaves a set alone that differs from its unchanged definition',
      over: { ...gone, locks: new Map() },
      assigned: null,
      expected: [],
    },
    {
      when: 'a set that is not there stops nothing that is held',
      over: { ...gone, defined: false, ...lock(locks.held(me)), ...local(locals.running()) },
      assigned: null,
      expected: [define],
    },
    {
      when: 'a set that is not there deletes no lock',
      over: { ...gone, defined: false, ...lock(locks.clean()) },
      assigned: null,
      expected: [define],
    },
  ])

  it('tells lists apart by their ids and their order', () => {
    assert.notEqual(partitionsLine(['a', 'b']), partitionsLine(['a,b']))
    assert.notEqual(partitionsLine(['a', 'b']), partitionsLine(['b', 'a']))
    assert.equal(partitionsLine(['a', 'b']), partitionsLine(['a', 'b']))
  })
})

describe('a lock in its own session', () => {
  const mine = locks.held(me)
  table([
    { when: 'is given back unclean when nothing is known of it', over: lock(mine), expected: [disown] },
    {
      when: 'is given back unclean for another when it is assigned to that one',
      over: lock(mine),
      assigned: other,
      expected: [{ ...disown, next: other }],
    },
    {
      when: 'is given back unclean when only a directory is there',
      over: { ...lock(mine), ...local(locals.idle()) },
      expected: [disown],
    },
    {
      when: 'is given back unclean when its acquisition is another than is known',
      over: {
        ...lock(locks.held(me, { held: heldBy(me, { acquisition: 'of a backup' }) })),
        ...local(locals.running()),
      },
      expected: [disown],
    },
    {
      when: 'is given back unclean when it was overwritten and its lease is over',
      over: { ...lock(locks.held(me, { held: null, modifyIndex: 107 })), ...local(locals.quiet({ leaseRuns: false })) },
      expected: [{ ...disown, index: 107 }],
    },
    {
      when: 'is written anew when it was overwritten while its lease runs',
      over: { ...lock(locks.held(me, { held: null, modifyIndex: 107 })), ...local(locals.running()) },
      expected: [{ ...rewrite, index: 107 }],
    },
    {
      when: 'is written anew when that was begun while its lease runs, and its outcome never learnt',
      over: {
        ...lock(locks.held(me, { held: null, modifyIndex: 107 })),
        ...local(locals.running({ index: null, pinned: true })),
      },
      expected: [{ ...rewrite, index: 107 }],
    },
    {
      when: 'is assumed when the outcome of its transaction was never written down',
      over: { ...lock(mine), ...local(locals.quiet({ index: null, token: null, leaseRuns: false })) },
      expected: [{ do: 'adopt', partition, index }],
    },
    {
      when: 'is assumed at its present index when its lease is over',
      over: { ...lock(locks.held(me, { modifyIndex: 107 })), ...local(locals.quiet({ leaseRuns: false })) },
      expected: [{ do: 'adopt', partition, index: 107 }],
    },
    {
      when: 'without a shepherd is started',
      over: { ...lock(mine), ...local(locals.quiet()) },
      expected: [{ do: 'start', partition }],
    },
    {
      when: 'without a shepherd is started, whatever is left of an earlier process',
      over: { ...lock(mine), ...local(locals.running({ shepherd: null })) },
      expected: [{ do: 'start', partition }],
    },
    {
      when: 'is released, with the next told, when the partition is for another',
      over: { ...lock(mine), ...local(locals.running()) },
      assigned: other,
      expected: [{ ...release, next: other }],
    },
    {
      when: 'is released when the partition is for nobody',
      over: { ...lock(mine), ...local(locals.running()) },
      assigned: null,
      expected: [release],
    },
    {
      when: 'is released when that was begun, even when the partition is for this instance again',
      over: { ...lock(mine), ...local(locals.quiet({ acquisition: null, releasing: heldBy(me).acquisition })) },
      expected: [release],
    },
    {
      when: 'is released before it is assumed',
      over: { ...lock(mine), ...local(locals.quiet({ index: null })) },
      assigned: other,
      expected: [{ ...release, next: other }],
    },
    {
      when: 'goes when its partition was removed',
      over: { ...gone, ...lock(mine), ...local(locals.running()) },
      assigned: null,
      expected: [{ ...release, removed: true }],
    },
    {
      when: 'and a release that was begun leave the lock there when the set is not there',
      over: {
        ...gone,
        defined: false,
        ...lock(mine),
        ...local(locals.quiet({ acquisition: null, releasing: heldBy(me).acquisition })),
      },
      assigned: null,
      expected: [{ do: 'define' }, release],
    },
  ])

  for (const absence of ['not registered', 'not passing'] as const) {
    it(`is kept while an answer says that this instance is ${absence}: its session lives`, () => {
      const { steps } = planned({ ...asAbsent(absence), ...lock(mine), ...local(locals.running()) }, other)
      assert.deepEqual(steps, [])
    })
  }
  for (const absence of ['drained', 'in maintenance'] as const) {
    it(`is released, with the next told, while this instance is ${absence}`, () => {
      const { steps } = planned({ ...asAbsent(absence), ...lock(mine), ...local(locals.running()) }, other)
      assert.deepEqual(steps, [{ ...release, next: other }])
    })
  }
  it('goes when its partition was removed, whatever is said of this instance', () => {
    const over = { ...asAbsent('not passing'), ...gone, ...lock(mine), ...local(locals.running()) }
    assert.deepEqual(planned(over, null).steps, [{ ...release, removed: true }])
  })
})

describe('a restart', () => {
  const restart = (request: number | null): Step => ({ do: 'restart', partition, request })
  const asked = { restarts: new Map([['0', 7]]) }
  const here = local(locals.running({ restart: true }))
  table([
    {
      when: 'that somebody asked for in Consul is made where the lock is held',
      over: { ...asked, ...lock(locks.held(me)), ...local(locals.running()) },
      expected: [restart(7)],
    },
    {
      when: 'that was asked for on this machine is made',
      over: { ...lock(locks.held(me)), ...here },
      expected: [restart(null)],
    },
    { when: 'is made once for both', over: { ...asked, ...lock(locks.held(me)), ...here }, expected: [restart(7)] },
    {
      when: 'is made of what has finished, and comes before a start',
      over: { ...asked, ...lock(locks.held(me)), ...local(locals.quiet({ status: 'finished: exit 0' })) },
      expected: [restart(7)],
    },
    {
      when: 'is not made of what another holds',
      over: { ...asked, ...lock(locks.held(other)) },
      assigned: other,
      expected: [],
    },
    {
      when: 'is not made of what is to be given up',
      over: { ...asked, ...lock(locks.held(me)), ...here },
      assigned: null,
      expected: [release],
    },
    {
      when: 'waits until the lock is seen to be its own again',
      over: { ...asked, ...lock(locks.unclean(me)), ...here },
      expected: [reclaim],
    },
    { when: 'is no reason to keep from claiming', over: { ...asked, ...lock(locks.clean()) }, expected: [claim] },
  ])
})

describe('what runs here without its lock', () => {
  const lost = locks.unclean(me, { modifyIndex: 107 })
  const index = 107
  table([
    {
      when: 'is stopped when another holds the lock, even while its lease runs',
      over: { ...lock(locks.held(other)), ...local(locals.running()) },
      expected: [stop('its lock is held by another')],
    },
    {
      when: 'takes the lock back while the lease runs and the value is still its own',
      over: { ...lock(lost), ...local(locals.running()) },
      expected: [{ ...reclaim, index }],
    },
    {
      when: 'takes it back, to give it up cleanly, even when the partition is for another',
      over: { ...lock(lost), ...local(locals.running()) },
      assigned: other,
      expected: [{ ...reclaim, index }],
    },
    {
      when: 'takes it back while the lease runs when it was deleted, and another has made it again',
      over: { ...lock(locks.garbled({ createIndex: 107, modifyIndex: 107 })), ...local(locals.running()) },
      expected: [{ ...reclaim, index: 107 }],
    },
    {
      when: 'takes the lock back after its lease, where it went on while cut off and nobody else had it',
      over: { ...lock(lost), ...local(locals.running({ leaseRuns: false, kept: { answered: null } })) },
      expected: [{ ...reclaim, index }],
    },
    {
      when: 'is stopped, although it went on while cut off, when the lock is missing',
      over: local(locals.running({ leaseRuns: false, kept: { answered: null } })),
      expected: [stop('its lock is lost')],
    },
    {
      when: 'is stopped, although it went on while cut off, when another has given the lock back since',
      over: { ...lock(locks.clean()), ...local(locals.running({ leaseRuns: false, kept: { answered: null } })) },
      expected: [stop('its lock is lost')],
    },
    {
      when: 'is stopped, although it went on while cut off, when the value is not its own',
      over: { ...lock(locks.unclean(other)), ...local(locals.running({ leaseRuns: false, kept: { answered: null } })) },
      expected: [stop('its lock is lost')],
    },
    {
      when: 'is given back, and not taken back, when it went on while cut off and the partition was removed',
      over: { ...gone, ...lock(lost), ...local(locals.running({ leaseRuns: false, kept: { answered: null } })) },
      assigned: null,
      expected: [{ ...release, index, held: false, removed: true }],
    },
    {
      when: 'is a new acquisition when it went on while cut off and has ended',
      over: { ...lock(lost), ...local(locals.quiet({ leaseRuns: false, kept: { answered: null } })) },
      expected: [{ ...takeover, index }],
    },
    {
      when: 'makes a missing lock anew while the lease runs',
      over: local(locals.running()),
      expected: [{ ...reclaim, index: null }],
    },
    {
      when: 'is stopped when the lock is missing and the lease is over',
      over: local(locals.running({ leaseRuns: false })),
      expected: [stop('its lock is lost')],
    },
    {
      when: 'is stopped when the lock is missing and the partition was removed',
      over: { ...gone, ...local(locals.running()) },
      assigned: null,
      expected: [stop('its lock is lost')],
    },
    {
      when: 'is stopped when the value is not its own, even while the lease runs',
      over: { ...lock(locks.garbled()), ...local(locals.running()) },
      expected: [stop('its lock is lost')],
    },
    {
      when: 'is stopped when the lock is clean, even while the lease runs',
      over: { ...lock(locks.clean()), ...local(locals.running()) },
      expected: [stop('its lock is lost')],
    },
    {
      when: "is stopped when the value is another's",
      over: { ...lock(locks.unclean(other)), ...local(locals.running({ leaseRuns: false })) },
      expected: [stop('its lock is lost')],
    },
    {
      when: 'is stopped, and the lock given back, when the lease is over and something still runs',
      over: { ...lock(lost), ...local(locals.running({ leaseRuns: false })) },
      expected: [{ ...release, index, held: false }],
    },
    {
      when: 'counts as running when only its process is left',
      over: { ...lock(lost), ...local(locals.running({ leaseRuns: false, shepherd: null })) },
      expected: [{ ...release, index, held: false }],
    },
    {
      when: 'is taken again at once when the lease is over, nothing runs, and the partition is for this instance',
      over: { ...lock(lost), ...local(locals.quiet({ leaseRuns: false })) },
      expected: [{ ...takeover, index }],
    },
    {
      when: 'is not taken again while the lease of this instance does not run',
      over: { ...lock(lost), ...local(locals.quiet({ leaseRuns: false })), leaseRuns: false },
      expected: [],
    },
    {
      when: 'is given back when the lease is over, nothing runs, and the partition is for another',
      over: { ...lock(lost), ...local(locals.quiet({ leaseRuns: false })) },
      assigned: other,
      expected: [{ ...release, index, held: false, next: other }],
    },
    {
      when: 'goes with its lock when the lease is over and the partition was removed',
      over: { ...gone, ...lock(lost), ...local(locals.quiet({ leaseRuns: false })) },
      assigned: null,
      expected: [{ ...release, index, held: false, removed: true }],
    },
    {
      when: 'is not taken back once its release was begun',
      over: {
        ...lock(lost),
        ...local(locals.running({ acquisition: null, releasing: heldBy(me).acquisition })),
      },
      assigned: other,
      expected: [{ ...release, index, held: false, next: other }],
    },
    {
      when: 'is forgotten when its release was done but not written down',
      over: {
        ...lock(locks.clean()),
        ...local(locals.quiet({ acquisition: null, releasing: heldBy(me).acquisition })),
      },
      assigned: other,
      expected: [stop('its lock is lost')],
    },
    {
      when: 'a shepherd without an acquisition is stopped',
      over: { ...lock(locks.clean()), ...local(locals.running({ acquisition: null })) },
      expected: [stop('its lock is lost')],
    },
    {
      when: 'an acquisition that was written down but never made claims as if it were not there',
      over: { ...lock(locks.clean()), ...local(locals.quiet({ index: null, leaseRuns: false })) },
      expected: [claim],
    },
    {
      when: 'an acquisition that was written down but never made waits as if it were not there',
      over: {
        ...lock(locks.unclean(other)),
        ...local(locals.quiet({ index: null, leaseRuns: false })),
        ...seenFree(now),
      },
      expected: [],
      waits: 14_000,
    },
    {
      when: 'an acquisition that was written down but never made is forgotten when another was quicker',
      over: { ...lock(locks.held(other)), ...local(locals.quiet({ index: null, leaseRuns: false })) },
      expected: [stop('its lock is held by another')],
    },
  ])
})

describe('a free lock', () => {
  const due = { ...lock(locks.unclean(other)), ...seenFree(now - 14_000) }
  table([
    { when: 'that is clean is taken at once', over: lock(locks.clean()), expected: [claim] },
    {
      when: 'that is clean is not taken while the lease does not run',
      over: { ...lock(locks.clean()), leaseRuns: false },
      expected: [],
    },
    {
      when: 'that is unclean is left alone for W, counted from this look when it is the first',
      over: lock(locks.unclean(other)),
      expected: [],
      waits: 14_000,
    },
    {
      when: 'that is unclean is left alone until the last millisecond',
      over: { ...lock(locks.unclean(other)), ...seenFree(now - 13_999) },
      expected: [],
      waits: 1,
    },
    { when: 'that is unclean is taken after W', over: due, expected: [takeover] },
    { when: 'is not taken after W while the lease does not run', over: { ...due, leaseRuns: false }, expected: [] },
    { when: 'is not taken after W when it is for another', over: due, assigned: other, expected: [] },
    {
      when: 'waits as long as its last holder asked for, not as this definition would',
      over: {
        ...lock(locks.unclean(other, { held: heldBy(other, { lease: 60_000, grace: 20_000 }) })),
        ...seenFree(now),
      },
      expected: [],
      waits: 81_000,
    },
    {
      when: 'waits as briefly as its last holder asked for',
      over: { ...lock(locks.unclean(other, { held: heldBy(other, { lease: 7000, grace: 2000 }) })), ...seenFree(now) },
      expected: [],
      waits: 10_000,
    },
    {
      when: 'of nobody knows whom waits as long as the slowest of this definition and the members',
      over: {
        ...lock(locks.garbled()),
        ...seenFree(now),
        members: [memberOne(me), memberOne(other, { lease: 20_000 }), memberOne(third, { grace: 9000 })],
      },
      expected: [],
      waits: 24_000,
    },
    {
      when: 'that is missing is made again at once, and then waits like one of nobody knows whom',
      over: {},
      expected: [{ do: 'remake', partition }],
    },
    { when: 'that is missing is left to whom the partition is for', over: {}, assigned: other, expected: [] },
    { when: 'that is missing is not made for a partition that is out of the set', over: gone, expected: [] },
    {
      when: 'waits no longer than the longest wait, whatever its value says',
      over: { ...lock(locks.unclean(other, { held: heldBy(other, { lease: 1e12 }) })), ...seenFree(now) },
      expected: [],
      waits: longestWait,
    },
    {
      when: 'of a removed partition is deleted when it is clean',
      over: { ...gone, ...lock(locks.clean()) },
      assigned: null,
      expected: [{ do: 'delete', partition, index }],
    },
    {
      when: 'of a removed partition is left alone during the wait',
      over: { ...gone, ...lock(locks.unclean(other)), ...seenFree(now - 13_999) },
      assigned: null,
      expected: [],
    },
    {
      when: 'of a removed partition is deleted after the wait, by whoever sees it, its own lease or none',
      over: { ...gone, ...lock(locks.unclean(other)), ...seenFree(now - 14_000), leaseRuns: false },
      assigned: null,
      expected: [{ do: 'delete', partition, index }],
    },
    {
      when: 'of a removed partition is left to its holder while it is held',
      over: { ...gone, ...lock(locks.held(other)) },
      assigned: null,
      expected: [],
    },
  ])
})

it('plans for every partition, lock and directory that anyone knows of', () => {
  const snapshot = snapshotOf({
    partitions: new Set(['0', '1']),
    locks: new Map([
      ['1', locks.clean()],
      ['2', locks.clean()],
    ]),
    local: new Map([['3', locals.running()]]),
  })
  const { steps } = plan(
    snapshot,
    new Map([
      ['0', me],
      ['1', me],
    ]),
  )
  assert.deepEqual(
    steps.map(step => `${step.do} ${'partition' in step ? step.partition : ''}`),
    ['remake 0', 'claim 1', 'delete 2', 'stop 3'],
  )
})

it('gives the same plan for the same snapshot, and changes nothing in it', () => {
  const snapshot = snapshotOf({
    partitions: new Set(['0', '1', '2', '3']),
    locks: new Map([
      ['0', locks.held(me)],
      ['1', locks.unclean(other)],
      ['2', locks.clean()],
      ['9', locks.clean()],
    ]),
    local: new Map([
      ['0', locals.running()],
      ['3', locals.running()],
    ]),
    free: new Map([['1', { index: 100, since: now - 1000 }]]),
  })
  const assignment = new Map([...snapshot.partitions].map(id => [id, me]))
  const before = inspect(snapshot, { depth: null })
  const first = plan(snapshot, assignment)
  assert.deepEqual(plan(snapshot, assignment), first)
  assert.equal(inspect(snapshot, { depth: null }), before)
  assert.equal(first.steps.length + first.waits.size, 4)
})

// Whatever else a snapshot holds: what no plan may ever contain. Every combination of what the rules look at.
it('never claims, reclaims, deletes or starts against the rules, in any combination of facts', () => {
  const kinds = {
    lock: [
      null,
      locks.held(me),
      locks.held(other),
      locks.held(me, { held: null }),
      locks.unclean(me),
      locks.unclean(other),
      locks.clean(),
      locks.garbled(),
      locks.garbled({ createIndex: index, modifyIndex: index }),
    ],
    local: [
      null,
      locals.idle(),
      ...[true, false].flatMap(leaseRuns => [
        locals.running({ leaseRuns }),
        locals.quiet({ leaseRuns }),
        locals.quiet({ leaseRuns, index: null }),
        locals.running({ leaseRuns, acquisition: null, releasing: heldBy(me).acquisition }),
        locals.running({ leaseRuns, acquisition: 'another' }),
        locals.running({ leaseRuns, index: 99 }),
      ]),
    ],
    session: [sessionOf(me), null],
    there: [true, false],
    defined: [true, false],
    leaseRuns: [true, false],
    waited: [0, 14_000],
    assigned: [me, other, null],
    absence: [null, 'drained', 'not passing', 'not registered', 'in maintenance'] as Absence[],
  }
  let plans = 0
  for (const one of combinations(kinds)) {
    const { steps } = planned(
      {
        ...(one.lock === null ? {} : lock(one.lock)),
        ...(one.local === null ? {} : local(one.local)),
        session: one.session,
        defined: one.defined,
        leaseRuns: one.leaseRuns,
        ...(one.there ? {} : gone),
        ...seenFree(now - one.waited),
        ...asAbsent(one.absence),
      },
      one.assigned,
    )
    plans++
    const acts = steps.filter(step => 'partition' in step)
    assert.ok(acts.length <= 1, 'one thing at a time for a partition')
    for (const step of acts) {
      assert.ok(isAllowed(step, one), `${inspect(step)} is against the rules: ${inspect(one, { depth: null })}`)
    }
  }
  assert.equal(plans, 9 * 14 * 2 * 2 * 2 * 2 * 2 * 3 * 5)
})

interface Facts {
  readonly lock: ReturnType<typeof locks.held> | null
  readonly local: ReturnType<typeof locals.idle> | null
  readonly session: string | null
  readonly there: boolean
  readonly leaseRuns: boolean
  readonly waited: number
  readonly assigned: string | null
}

function isAllowed(step: Step, facts: Facts): boolean {
  const { lock, local, session, there, leaseRuns, waited, assigned } = facts
  const known = local?.acquisition ?? local?.releasing ?? null
  const mine = lock !== null && session !== null && lock.session === session
  const ours = known !== null && lock?.held?.acquisition === known
  // At the very index that was written down, the lock is as this instance took it, whatever its value has become.
  const proved = mine && known !== null && local?.index === lock.modifyIndex
  const free = lock === null || lock.session === null
  const runs = local !== null && (local.shepherd ?? local.process) !== null
  switch (step.do) {
    case 'claim':
      return (
        session !== null &&
        there &&
        leaseRuns &&
        assigned === me &&
        free &&
        !runs &&
        lock !== null &&
        (lock.clean || waited >= 14_000 || ours)
      )
    case 'remake':
      return session !== null && there && lock === null && assigned === me && !runs
    case 'reclaim':
      return (
        session !== null &&
        local?.leaseRuns === true &&
        local.acquisition !== null &&
        (mine || lock === null || (free && (ours || (!lock.clean && lock.createIndex === lock.modifyIndex))))
      )
    case 'start':
      return (
        (ours || proved) &&
        mine &&
        local?.leaseRuns === true &&
        local.index === lock.modifyIndex &&
        local.shepherd === null
      )
    case 'adopt':
      return mine && (ours || proved)
    case 'delete':
      return !there && lock !== null && free && (lock.clean || waited >= 14_000) && !runs
    case 'release':
      return step.held ? mine && (ours || proved) : free && ours
    case 'disown':
      return mine && !ours
    case 'stop':
      return !mine && local !== null
    default:
      return false
  }
}

function* combinations<T extends Record<string, readonly unknown[]>>(
  kinds: T,
): Generator<{ [K in keyof T]: T[K][number] }> {
  const [first, ...rest] = Object.entries(kinds)
  if (first === undefined) {
    yield {} as { [K in keyof T]: T[K][number] }
    return
  }
  for (const value of first[1]) {
    for (const others of combinations(Object.fromEntries(rest))) {
      yield { [first[0]]: value, ...others } as { [K in keyof T]: T[K][number] }
    }
  }
}

describe('a partition whose key the agent refuses', () => {
  const stepsOf = (over: Partial<Snapshot>) => {
    const snapshot = snapshotOf({ partitions: new Set(['x y']), unusable: new Set(['x y']), ...over })
    const { steps, waits, incoming } = plan(snapshot, new Map([['x y', me]]))
    return { steps, waits: waits.size, incoming }
  }

  it('is stopped where it runs', () => {
    for (const lock of [locks.held(me), locks.unclean(me), locks.held(other)]) {
      const { steps } = stepsOf({ locks: new Map([['x y', lock]]), local: new Map([['x y', locals.running()]]) })
      assert.deepEqual(steps, [{ do: 'stop', partition: 'x y', why: 'the agent refuses its key' }])
    }
  })

  it('is left alone where it does not: nothing is claimed, given back, deleted or waited for', () => {
    for (const lock of [null, locks.clean(), locks.held(me), locks.unclean(other), locks.held(other)]) {
      for (const partitions of [new Set(['x y']), new Set<string>()]) {
        const found = stepsOf({ partitions, locks: new Map(lock === null ? [] : [['x y', lock]]) })
        assert.deepEqual(found, { steps: [], waits: 0, incoming: 0 })
      }
    }
  })
})
