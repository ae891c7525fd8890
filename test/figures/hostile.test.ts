/** Values that anybody may have written where instances publish: read, or left out, and nothing that is shown breaks or acts. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import fc from 'fast-check'
import { keysOf } from '../../lib/base/names.ts'
import { printable } from '../../lib/base/printable.ts'
import { eventsIn, eventsKey, eventsRoot, eventsValue } from '../../lib/keys/events.ts'
import { figuresKey, figuresRoot } from '../../lib/keys/figures.ts'
import { healthKey, healthRoot } from '../../lib/keys/health.ts'
import { heldValue } from '../../lib/keys/lock.ts'
import { readEvents } from '../../lib/operate/events/read.ts'
import { eventJson, eventLine } from '../../lib/operate/events/words.ts'
import { summaries, topOf, topPage } from '../../lib/operate/figures/top.ts'
import { readStatus } from '../../lib/operate/status/status.ts'
import { timeLine } from '../../lib/page/views/events.ts'
import { eventOf } from '../../lib/state/events.ts'
import { heldBy, me, other } from '../fixtures/cluster.ts'
import { type FakeConsul, fakeConsul } from '../fixtures/consul.ts'
import { harmless } from '../fixtures/harmless.ts'
import { garbage } from '../model/hostile.ts'
import { runs } from '../model/runs.ts'

const keys = keysOf('svc')
const at = '2026-01-01T00:00:00.000Z'
const start = Date.parse(at)

/** a:svc holds partition 0. */
async function service(t: TestContext): Promise<FakeConsul & { readonly index: number }> {
  const fake = await fakeConsul(t)
  const { memory } = fake
  memory.put(keys.revision, '{}')
  memory.put(keys.partition('0'), '{"from":"definition"}')
  memory.session('session of a', 'a', `watchbill ${me}`)
  const index = memory.lock(keys.lock('0'), 'session of a', heldValue(heldBy(me)))
  return Object.assign(fake, { index })
}

/** All that is shown of what stands there. @throws when something breaks */
async function shown({ consul }: FakeConsul): Promise<string[]> {
  const events = await readEvents(consul, { service: 'svc' })
  const lines = events.map(event => eventLine(event))
  JSON.stringify(events.map(eventJson))
  String(timeLine('svc', events, start))
  const top = topPage(topOf('svc', [], await summaries(consul, 'svc'), 'cpu'))
  const { partitions } = await readStatus(consul, 'svc')
  return [...lines, ...top, JSON.stringify(partitions)].map(printable)
}

const event = (over: object) => JSON.stringify({ events: [{ key: 'k', at: start, what: 'acquired', ...over }] })
const row = (index: number, ages: readonly unknown[]) =>
  JSON.stringify({ at, leftOut: 0, partitions: { 0: [index, ...ages] } })
const summary = (over: object) =>
  JSON.stringify({
    ...{
      at,
      partitions: 1,
      cpu: 0.1,
      memory: 1,
      restarts: 0,
      tick: 1,
      margin: 1,
      consul: 1,
      partition: { 0: [1, 1, 1] },
    },
    ...over,
  })

describe('what instances publish may be anything:', () => {
  const most = Number.MAX_SAFE_INTEGER
  const values: [what: string, key: string, value: (index: number) => string][] = [
    ['an event at the end of time', eventsKey('svc', me), () => event({ at: most })],
    ['an event of an unknown kind', eventsKey('svc', me), () => event({ what: 'eaten' })],
    ['an event called constructor', eventsKey('svc', me), () => event({ what: 'constructor', instance: 'x' })],
    ['an event called __proto__', eventsKey('svc', me), () => event({ what: '__proto__', instance: 'x' })],
    ['an event that clears the screen', eventsKey('svc', me), () => event({ what: '\u001b[2J', why: '\u202e\n' })],
    [
      'an event asked for by a screen',
      keys.event('k'),
      () => JSON.stringify({ ...eventOf({ what: 'held' }, 'k'), by: '\u001b[2J' }),
    ],
    ['events of an instance with another name', `${eventsRoot('svc')}%ff`, () => event({})],
    ['events below a folder', `${eventsRoot('svc')}a/b/c`, () => event({})],
    ['a megabyte of events', eventsKey('svc', me), () => event({ partitions: Array(100_000).fill('p') })],
    ['health since the beginning of time', healthKey('svc', me), index => row(index, [most, most, 0])],
    ['health as of year 275760', healthKey('svc', me), i => row(i, [1, 1, 0]).replace('2026-', '+275760-')],
    ['health of a foreign instance', healthKey('svc', 'foreign'), index => row(index, [1, 1, 0])],
    [
      'health of __proto__',
      healthKey('svc', me),
      () => `{"at":"${at}","leftOut":0,"partitions":{"__proto__":[1,1,1,1]}}`,
    ],
    [
      'health with a screen in its time',
      healthKey('svc', me),
      i => row(i, [1, 1, 0]).replace(at, '2026-01-01 (\\u001b[2J)'),
    ],
    ['figures without end', figuresKey('svc', other), () => summary({ cpu: 1e308, memory: 1e308, tick: -1e308 })],
    ['figures with a screen in their time', figuresKey('svc', other), () => summary({ at: '2026-01-01 (\u001b[2J)' })],
    ['figures of a name that is none', `${figuresRoot('svc')}%zz`, () => summary({})],
    ['health of a name that is none', `${healthRoot('svc')}%zz`, index => row(index, [1, 1, 0])],
  ]
  for (const [what, key, value] of values)
    it(what, async t => {
      const fake = await service(t)
      fake.memory.put(key, value(fake.index))
      for (const line of await shown(fake)) {
        assert.match(line, harmless)
        assert.ok(line.length < 20_000, `a line of ${line.length} characters`)
      }
    })

  it('also whatever a generator makes of good ones', async t => {
    const fake = await service(t)
    const good: [string, string][] = [
      [
        eventsKey('svc', me),
        eventsValue([], [eventOf({ what: 'moved', partitions: ['0'], instance: other, index: 3 }, 'k')]),
      ],
      [healthKey('svc', me), row(fake.index, [5, 5, 0])],
      [figuresKey('svc', other), summary({})],
    ]
    const one = fc
      .constantFrom(...good)
      .chain(([key, valid]) => garbage(JSON.parse(valid)).map(text => ({ key, text })))
    await fc.assert(
      fc.asyncProperty(fc.array(one, { minLength: 1, maxLength: 3 }), async changes => {
        for (const { key, text } of changes) fake.memory.put(key, text)
        for (const line of await shown(fake)) assert.match(line, harmless)
      }),
      runs(40),
    )
  })

  it('an index that is ahead of its own key orders nothing', async t => {
    const fake = await service(t)
    fake.memory.put(eventsKey('svc', me), event({ key: 'first', index: 9_000_000_000 }))
    fake.memory.put(eventsKey('svc', other), event({ key: 'second', what: 'lost' }))
    const events = await readEvents(fake.consul, { service: 'svc' })
    assert.deepEqual(
      events.map(({ key }) => key),
      ['first', 'second'],
    )
    const [kept] = eventsIn({ value: event({ index: 9_000_000_000 }), modifyIndex: 40 })
    assert.equal(kept?.index, 40)
  })

  it('two instances with one name, each with events of its own, lose none', () => {
    const [mine, theirs] = [1, 2].map(n => eventOf({ what: 'started', partitions: [`${n}`], index: n }, `k${n}`))
    const first = eventsIn({ value: eventsValue([], [mine as never]), modifyIndex: 5 })
    const both = eventsIn({ value: eventsValue(first, [theirs as never]), modifyIndex: 6 })
    assert.deepEqual(
      both.flatMap(({ partitions }) => partitions),
      ['1', '2'],
    )
  })
})
