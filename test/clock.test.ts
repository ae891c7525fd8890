import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { bootClock, bootId, duration, seconds } from '../lib/base/clock.ts'

describe('duration', () => {
  const good: [string, number][] = [
    ['500ms', 500],
    ['3s', 3000],
    ['1.5m', 90_000],
    ['2h', 7_200_000],
    ['0s', 0],
    ['0.25s', 250],
    ['1.5ms', 2],
    ['007s', 7000],
  ]
  for (const [text, ms] of good) it(`${text} is ${ms} ms`, () => assert.equal(duration(text), ms))

  for (const text of [
    '',
    '5',
    's',
    '-1s',
    '+1s',
    '1 s',
    ' 1s',
    '1s ',
    '1S',
    '1.s',
    '.5s',
    '1e3s',
    '1d',
    '1h30m',
    '0x1s',
    'Infinitys',
    'toString',
    '1constructor',
  ]) {
    it(`${JSON.stringify(text)} is none`, () => assert.equal(duration(text), null))
  }
})

describe('seconds', () => {
  const cases: [number, string][] = [
    [0, '0 s'],
    [400, '0.4 s'],
    [9949, '9.9 s'],
    [10_000, '10 s'],
    [14_499, '14 s'],
    [119_999, '120 s'],
    [120_000, '2 min'],
    [300_000, '5 min'],
  ]
  for (const [ms, text] of cases) it(`${ms} ms is "${text}"`, () => assert.equal(seconds(ms), text))
})

describe('the boot clock', () => {
  it('is the uptime in whole ms', () => {
    const before = Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]) * 1000
    const clock = bootClock()
    const after = Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]) * 1000
    assert.ok(Number.isInteger(clock))
    assert.ok(Math.round(before) <= clock && clock <= Math.round(after))
  })

  it('never goes back', () => {
    const times = Array.from({ length: 100 }, bootClock)
    assert.deepEqual(
      times.toSorted((a, b) => a - b),
      times,
    )
  })
})

it('the boot has one id, on one line', () => {
  assert.match(bootId(), /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
  assert.equal(bootId(), bootId())
})
