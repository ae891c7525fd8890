import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { appendLog } from '../../lib/state/log.ts'
import { directory } from '../fixtures/state.ts'

it('a line has its time, and goes to the end', t => {
  const file = join(directory(t), 'log')
  appendLog(file, 'one')
  appendLog(file, 'two')
  const lines = readFileSync(file, 'utf8').split('\n')
  assert.match(lines[0] ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z one$/)
  assert.match(lines[1] ?? '', / two$/)
  assert.equal(lines.length, 3)
  assert.equal(statSync(file).mode & 0o777, 0o600)
})

it('a log of more than one MiB is put aside, and only one is kept', t => {
  const file = join(directory(t), 'log')
  for (const text of ['first', 'second']) {
    writeFileSync(file, text)
    truncateSync(file, 1024 * 1024)
    appendLog(file, 'fits')
    assert.equal(existsSync(`${file}.1`), text === 'second')
    appendLog(file, 'does not')
    assert.ok(readFileSync(`${file}.1`, 'utf8').startsWith(text))
    assert.ok(statSync(file).size < 100)
  }
  assert.equal(existsSync(`${file}.2`), false)
})

it('a log that cannot be written stops nobody: stderr gets the reason', t => {
  const said: string[] = []
  const write = t.mock.method(process.stderr, 'write', (line: string) => said.push(line) > 0)
  appendLog(join(directory(t), 'missing/log'), 'one')
  write.mock.restore()
  assert.match(said.join(''), /^cannot write .*missing\/log: ENOENT/)
})
