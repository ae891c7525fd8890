import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { closeSync, constants, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { readAll } from '../lib/program/stdin.ts'
import { directory } from './fixtures/state.ts'

it('a stdin that is non-blocking is waited for until it ends', t => {
  const fifo = join(directory(t), 'fifo')
  execFileSync('mkfifo', [fifo])
  const end = openSync(fifo, constants.O_RDWR)
  const [read, same] = [1, 2].map(() => openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK)) as [number, number]
  assert.throws(() => readFileSync(same, 'utf8'), { code: 'EAGAIN' }, 'there is nothing yet')
  closeSync(same)
  const writer = spawn('sh', ['-c', 'sleep 0.2; printf "gr"; sleep 0.1; printf "ün\\n%070000d" 1'], {
    stdio: ['ignore', end, 'ignore'],
  })
  t.after(() => writer.kill('SIGKILL'))
  closeSync(end)
  assert.equal(readAll(read), `grün\n${'1'.padStart(70_000, '0')}`)
  closeSync(read)
})
