/** The end of a command under `lock`, where the system shows nothing of it. */
import assert from 'node:assert/strict'
import fs, { existsSync, readFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { it } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import { environmentFor, newMark } from '../../lib/lock/mark.ts'
import { Run } from '../../lib/lock/run.ts'
import { directory } from '../fixtures/state.ts'
import { until } from '../lab/until.ts'

it('what cannot be looked at is not taken for gone when the command has ended', async t => {
  const file = join(directory(t), 'pid')
  const mark = newMark()
  const command = ['/bin/sh', '-c', 'sleep 1000 & echo $! >"$0"', file] as const
  const order = {
    command: [...command] as [string, ...string[]],
    passStdin: false,
    terms: { lease: 60_000, grace: 500 },
  }
  const run = new Run(order, environmentFor('a', mark), mark)
  run.extend(bootClock() + order.terms.lease)
  const { readFileSync: read } = fs
  const refuse = (path: unknown, ...more: unknown[]) => {
    if (/^\/proc\/(\d+\/stat|loadavg)$/.test(String(path)))
      throw Object.assign(new Error('no memory'), { code: 'ENOMEM' })
    return (read as (...args: unknown[]) => unknown)(path, ...more)
  }
  const see = (how: unknown) => {
    fs.readFileSync = how as typeof read
    syncBuiltinESMExports()
  }
  see(refuse)
  t.after(() => see(read))
  run.start({})
  const pid = () => Number(existsSync(file) && readFileSync(file, 'utf8'))
  const lives = () => {
    try {
      return read(`/proc/${pid()}/cmdline`, 'utf8') !== '' // a zombie's is empty
    } catch {
      return false
    }
  }
  t.after(() => lives() && process.kill(pid(), 'SIGKILL'))
  const atTheEnd = run.over.then(({ unseen }) => ({ unseen, lives: lives() }))
  await until('the shepherd to have ended it', () => pid() > 0 && !lives())
  see(read)
  assert.deepEqual(await atTheEnd, { unseen: false, lives: false })
})
