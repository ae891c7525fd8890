/** The file that says how machines are powered off: what it may say, and who may write it. */
import assert from 'node:assert/strict'
import { chmodSync, chownSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { powerOffIn } from '../../lib/definition/power.ts'
import { readPowerOff } from '../../lib/state/power.ts'
import { directory } from '../fixtures/state.ts'

const good = { command: ['/usr/local/lib/power-off', '{node}'], confirm: ['/usr/local/lib/is-off', '{node}'] }

const faults: [what: string, more: object | string, line: string][] = [
  [
    'no JSON',
    '{',
    'line 1, column 2: expected a field name in double quotes or "}", found the end of the file; complete the JSON',
  ],
  [
    'no confirm',
    { confirm: undefined },
    'confirm: is missing; give an array of strings: the program, then its arguments',
  ],
  [
    'a shell line',
    { command: '/off {node}' },
    'command: cannot be a string; give an array of strings: the program, then its arguments',
  ],
  ['a program sought on PATH', { command: ['off', '{node}'] }, 'command[0]: must begin with an absolute path'],
  [
    'the node inside of code',
    { command: ['/bin/sh', '-c', 'off {node}'] },
    'command[2]: has {node} in the code that sh -c executes; use the variable "$WATCHBILL_NODE" there',
  ],
  ['a time without its unit', { after: '5' }, 'after: cannot be "5"; give a duration from 1s to 300s, such as "5s"'],
  ['no time at all', { after: '0s' }, 'after: cannot be "0s"; give a duration from 1s to 300s, such as "5s"'],
  [
    'a time-out of an hour',
    { timeout: '1h' },
    'timeout: cannot be "1h"; give a duration from 1s to 120s, such as "20s"',
  ],
  ['nobody per hour', { perHour: 0 }, 'perHour: cannot be 0; give a whole number of at least 1'],
  [
    'a field that is misspelt',
    { comand: ['/off'] },
    'comand: is an unknown field; the fields here are command, confirm, timeout, after, perHour',
  ],
]

function written(t: TestContext, text = JSON.stringify(good)): string {
  const file = join(directory(t), 'power-off.json')
  writeFileSync(file, text, { mode: 0o644 })
  return file
}

describe('power-off.json', () => {
  it('has its defaults', () => {
    assert.deepEqual(powerOffIn(JSON.stringify(good), 'f'), { ...good, timeoutMs: 20_000, afterMs: 5000, perHour: 2 })
  })

  for (const [what, more, line] of faults)
    it(`with ${what} is refused in one line`, () => {
      const text = typeof more === 'string' ? more : JSON.stringify({ ...good, ...more })
      const message = `cannot power machines off by f.json: ${line}; nobody is powered off until it is mended`
      assert.throws(() => powerOffIn(text, 'f.json'), { name: 'Permanent', message })
    })

  it('is read', t => assert.equal(readPowerOff(written(t)).afterMs, 5000))

  it('that is named and not there is an error, not a machine without power', () => {
    assert.throws(() => readPowerOff('/nowhere/power-off.json'), /cannot power machines off by \/nowhere.*ENOENT/)
  })

  it('that others may write is not believed', t => {
    const file = written(t)
    chmodSync(file, 0o666)
    assert.throws(() => readPowerOff(file), /others than root may write .*; chmod go-w .*; nobody is powered off/)
  })

  it('that another user owns is not believed', { skip: process.getuid?.() !== 0 && 'needs root' }, t => {
    const file = written(t)
    chownSync(file, 65_534, 65_534)
    assert.throws(() => readPowerOff(file), /belongs to user 65534/)
  })
})
