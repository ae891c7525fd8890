import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import { eventOf } from '../../lib/hooks/event.ts'
import { done, enqueue, isAnythingWaiting, putOff, type Waiting, waiting } from '../../lib/hooks/queue.ts'
import { definition } from '../fixtures/cluster.ts'
import { stateOf } from '../fixtures/state.ts'

const hooked = { ...definition, hooks: { failed: ['./page'] } }
const failed = (id: string, at = '2026-01-01T00:00:00Z') => eventOf({ id, event: 'failed', partition: '0', at })

describe('events that wait', () => {
  it('are none when nobody wants them', t => {
    const files = stateOf(t)
    assert.equal(enqueue(files, definition, failed('e1')), 0)
    assert.equal(isAnythingWaiting(files), false)
    assert.deepEqual(waiting(files), [])
  })

  it('come in the order in which they happened, also when the wall clock is set back meanwhile', t => {
    const files = stateOf(t)
    enqueue(files, hooked, failed('b', '2026-01-01T00:00:02Z'))
    enqueue(files, hooked, failed('a', '2026-01-01T00:00:03Z'))
    enqueue(files, hooked, failed('c', '2026-01-01T00:00:01Z'))
    assert.deepEqual(
      waiting(files).map(({ event }) => event.id),
      ['b', 'a', 'c'],
    )
  })

  it('of an earlier boot come first, by the wall clock', t => {
    const files = stateOf(t)
    for (const [id, at] of [
      ['b', '02'],
      ['a', '01'],
    ] as const) {
      const one = { event: failed(id, `2026-01-01T00:00:${at}Z`), reaction: 0, failures: 3, notBefore: 1e12, order: 7 }
      mkdirSync(`${files.events}/${id}.0`, { recursive: true })
      writeFileSync(`${files.events}/${id}.0/event`, JSON.stringify({ ...one, boot: 'another' }))
    }
    enqueue(files, hooked, failed('now', '2026-01-01T00:00:00Z'))
    assert.deepEqual(
      waiting(files).map(({ event, notBefore }) => [event.id, notBefore]),
      [
        ['a', 0],
        ['b', 0],
        ['now', 0],
      ],
    )
  })

  it('are there once, however often they are told of, and gone when they are done', t => {
    const files = stateOf(t)
    for (let n = 0; n < 3; n++) enqueue(files, hooked, failed('../e 1'))
    const [one, ...others] = waiting(files)
    assert.deepEqual(others, [])
    assert.ok(one)
    done(files, one)
    assert.equal(isAnythingWaiting(files), false)
  })

  it('keep their failures when they are told of again', t => {
    const files = stateOf(t)
    enqueue(files, hooked, failed('e1'))
    putOff(waiting(files)[0] as Waiting, 5000)
    enqueue(files, hooked, failed('e1'))
    assert.deepEqual(
      waiting(files).map(({ failures, notBefore }) => [failures, notBefore]),
      [[1, 5000]],
    )
  })

  it('are due when they were put off by a clock that has begun anew since', t => {
    const files = stateOf(t)
    enqueue(files, hooked, failed('e1'))
    const soon = bootClock() + 200_000
    for (const [until, notBefore] of [
      [soon, soon],
      [soon + 3_600_000, 0],
    ] as const) {
      putOff(waiting(files)[0] as Waiting, until)
      assert.equal(waiting(files)[0]?.notBefore, notBefore)
    }
  })

  it('are not disturbed by what else lies there', t => {
    const files = stateOf(t)
    enqueue(files, hooked, failed('e1'))
    mkdirSync(`${files.events}/torn.0`)
    writeFileSync(`${files.events}/torn.0/event`, '{"ev')
    mkdirSync(`${files.events}/empty.0`)
    writeFileSync(`${files.events}/notes`, 'mine')
    assert.deepEqual(
      waiting(files).map(({ event }) => event.id),
      ['e1'],
    )
  })

  it('have one file for each reaction', t => {
    const files = stateOf(t)
    const check = { id: 'c', onFailure: [['./page'], 'release'] } as unknown as (typeof definition.checks)[0]
    const event = eventOf({ id: 'e', event: 'onFailure', check: 'c', partition: '0' })
    assert.equal(enqueue(files, { ...definition, checks: [check] }, event), 2)
    assert.deepEqual(
      waiting(files).map(({ reaction }) => reaction),
      [0, 1],
    )
  })
})
