/** Whether a machine is powered off: false alarms, flapping, limits, frozen services, two survivors. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { PowerOff } from '../../lib/definition/power.ts'
import { type FoundRecord, nobodyOff, type Power } from '../../lib/keys/power.ts'
import { begunWith, decide, type Failures, seenFailures, type View } from '../../lib/power/decide.ts'

const settings: PowerOff = {
  command: ['/off'],
  confirm: ['/is-off'],
  timeoutMs: 20_000,
  afterMs: 5000,
  perHour: 2,
}
const wall = 1_800_000_000_000
const hour = 3_600_000

function view(over: Partial<View> = {}): View {
  return {
    now: 100_000,
    wall,
    own: 'a',
    failed: new Map([['b', 7]]),
    heard: new Set(['a', 'c']),
    locks: new Map([['b', 3]]),
    frozen: new Map(),
    unsafe: [],
    power: nobodyOff,
    ...over,
  }
}

const long: Failures = new Map([['b', { failure: 7, since: 90_000 }]])
const record = (over: Partial<FoundRecord> = {}): FoundRecord => ({
  ...{ node: 'b', state: 'off', by: 'c:svc', since: '', failure: 7, boot: null, why: null, alive: null },
  ...{ session: null, index: 9 },
  ...over,
})
const power = (over: Partial<Power>): Power => ({ ...nobodyOff, ...over })
const records = (over: Partial<FoundRecord> = {}) => power({ records: new Map([['b', record(over)]]) })
const begun = (...ago: number[]) =>
  power({ turn: { session: null, index: 4, begun: ago.map(ms => ({ node: 'x', at: wall - ms })) } })

type Case = [what: string, over: Partial<View>, failures: Failures | null, outcome: string]

const cases: Case[] = [
  ['that has failed for long', {}, long, 'power off b'],
  ['that has failed just now', {}, null, 'wait 5000: b: it failed less than 5 s ago'],
  [
    'for which a little is missing',
    {},
    new Map([['b', { failure: 7, since: 95_001 }]]),
    'wait 1: b: it failed less than 5 s ago',
  ],
  ['for which the time is just over', {}, new Map([['b', { failure: 7, since: 95_000 }]]), 'power off b'],
  [
    'that came back meanwhile and failed again',
    { failed: new Map([['b', 8]]) },
    long,
    'wait 5000: b: it failed less than 5 s ago',
  ],
  ['that has come back', { failed: new Map() }, long, 'nothing: '],
  [
    'that this machine still hears',
    { heard: new Set(['b']) },
    long,
    'wait 1000: b: the agent of this machine still hears it',
  ],
  ['that is this machine', { own: 'b' }, long, 'nothing: b: it is this machine'],
  ['without a lock', { locks: new Map() }, long, 'nothing: b: it has no lock that could be freed'],
  ['with a lock of a frozen service', { frozen: new Map([['b', ['web']]]) }, long, 'nothing: b: web is frozen'],
  [
    'while another one was declared off and was not',
    { unsafe: ['c'] },
    long,
    'nothing: b: c was declared off and was not: nobody is powered off until that is acknowledged',
  ],
  ['that is off', { power: records() }, long, 'nothing: b: it is off'],
  [
    'that could not be powered off',
    { power: records({ state: 'failed', why: 'exit 1' }) },
    long,
    'nothing: b: it could not be powered off: exit 1',
  ],
  ['that failed again since it was off', { power: records({ failure: 6 }) }, long, 'power off b'],
  ['whose survivor died in the middle', { power: records({ state: 'under way' }) }, long, 'power off b'],
  [
    'while another survivor is at it',
    { power: power({ turn: { session: 's', index: 4, begun: [] } }) },
    long,
    'wait 1000: b: a machine is being powered off',
  ],
  ['after one in this hour', { power: begun(1000) }, long, 'power off b'],
  [
    'after two in this hour',
    { power: begun(1000, hour - 1) },
    long,
    'nothing: b: perHour: 2 machines were powered off within an hour',
  ],
  ['after two, of which one is older', { power: begun(1000, hour) }, long, 'power off b'],
  [
    'after two that are ahead of the clock',
    { power: begun(-hour, -hour) },
    long,
    'nothing: b: perHour: 2 machines were powered off within an hour',
  ],
]

function said(step: ReturnType<typeof decide>): string {
  if (step.do === 'power off') return `power off ${step.node}`
  return `${step.do}${step.do === 'wait' ? ` ${step.ms}` : ''}: ${step.why.join('; ')}`
}

describe('a node', () => {
  for (const [what, over, before, outcome] of cases)
    it(`${what}: ${outcome.split(':')[0]}`, () => {
      const look = view(over)
      assert.equal(said(decide(look, seenFailures(before ?? new Map(), look), settings)), outcome)
    })

  for (const name of ['-rf', '--all', 'a b', 'a/b', 'a;b', '', '.x', 'a\n'])
    it(`whose name is ${JSON.stringify(name)} is no argument of a command`, () => {
      const look = view({ failed: new Map([[name, 7]]), locks: new Map([[name, 1]]) })
      const failures = new Map([[name, { failure: 7, since: 0 }]])
      assert.match(said(decide(look, failures, settings)), /its name is no plain word/)
    })
})

describe('several nodes', () => {
  it('are powered off one at a time, by name; one that may not does not hinder the next', () => {
    const failed = new Map([
      ['d', 3],
      ['c', 5],
      ['b', 7],
    ])
    const locks = new Map([
      ['b', 1],
      ['c', 1],
      ['d', 1],
    ])
    const failures = new Map([...failed].map(([node, failure]) => [node, { failure, since: 0 }]))
    const look = view({ failed, locks, heard: new Set(), frozen: new Map([['b', ['web']]]) })
    assert.equal(said(decide(look, failures, settings)), 'power off c')
  })

  it('are waited for by the shortest wait', () => {
    const failed = new Map([
      ['b', 7],
      ['c', 5],
    ])
    const locks = new Map([
      ['b', 1],
      ['c', 1],
    ])
    const failures = new Map([
      ['b', { failure: 7, since: 99_000 }],
      ['c', { failure: 5, since: 97_000 }],
    ])
    const step = decide(view({ failed, locks, heard: new Set() }), failures, settings)
    assert.equal(step.do === 'wait' && step.ms, 2000)
  })
})

describe('ten false alarms', () => {
  it('power nobody off, however close they come, and each begins the time anew', () => {
    let failures: Failures = new Map()
    for (let alarm = 0; alarm < 10; alarm++) {
      for (const [ms, failed] of [
        [0, new Map([['b', 10 + alarm]])],
        [4900, new Map([['b', 10 + alarm]])],
        [4950, new Map()],
      ] as const) {
        // Of a short return nothing may be seen but the other index.
        if (failed.size === 0 && alarm % 2 === 0) continue
        const look = view({ now: 100_000 + alarm * 5000 + ms, failed })
        failures = seenFailures(failures, look)
        assert.notEqual(decide(look, failures, settings).do, 'power off')
      }
    }
  })
})

it('what was begun is kept for an hour', () => {
  const look = view({ power: begun(hour + 1, 5) })
  assert.deepEqual(begunWith(look, 'b'), [
    { node: 'x', at: wall - 5 },
    { node: 'b', at: wall },
  ])
})
