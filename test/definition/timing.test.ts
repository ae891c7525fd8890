import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Definition } from '../../lib/definition/definition.ts'
import { parseDefinition } from '../../lib/definition/load.ts'
import { timingFault } from '../../lib/definition/timing.ts'
import { smallest } from './samples.ts'

const plain = await parseDefinition(JSON.stringify(smallest), 'consumer.json')

function fault(guardIntervalMs: number, leaseMs: number, graceMs: number): string | null {
  const definition: Definition = { ...plain, guardIntervalMs, leaseMs, stop: { ...plain.stop, graceMs } }
  return timingFault(definition)
}

const fits: [string, number, number, number][] = [
  ['the defaults', 2000, 10_000, 3000],
  ['the tuned ones', 2000, 7000, 2000],
  ['exactly 2 × guard.interval + 1.5 s', 2000, 5500, 0],
  ['the longest interval', 6000, 13_500, 0],
  ['a takeover wait of exactly 5 min', 2000, 290_000, 9000],
]

for (const [what, ...durations] of fits) {
  test(`${what} fits`, () => assert.equal(fault(...durations), null))
}

test('a lease in which the guard does not come round twice names both fields and the figures', () => {
  assert.equal(
    fault(4251, 10_000, 3000),
    'lease: 10 s is less than 2 × guard.interval + 1.5 s = 10.002 s; raise lease or lower guard.interval',
  )
})

test('a guard that comes round too seldom to keep its records is refused', () => {
  assert.equal(fault(6001, 60_000, 3000), 'guard.interval: 6.001 s is too long to take over in time; give at most 6 s')
})

test('a takeover wait above 5 min is refused, whichever field made it so', () => {
  const line = (wait: string) =>
    `lease: the takeover wait lease + stop.grace + 1 s = ${wait} s is more than 300 s; lower lease or stop.grace`
  assert.equal(fault(2000, 290_000, 9001), line('300.001'))
  assert.equal(fault(2000, 10_000, 3_600_000), line('3611'))
})

test('durations without end are refused too', () => {
  assert.notEqual(fault(Number.POSITIVE_INFINITY, 10_000, 0), null)
  assert.notEqual(fault(2000, Number.POSITIVE_INFINITY, 0), null)
  assert.notEqual(fault(2000, 10_000, Number.POSITIVE_INFINITY), null)
})
