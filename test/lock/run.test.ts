/** The end of a command under `lock`, where the system shows nothing of it. */
import assert from 'node:assert/strict'
import fs, { existsSync, readFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { it, type TestContext } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import { environmentFor, newMark } from '../../lib/lock/mark.ts'
import { Run } from '../../lib/lock/run.ts'
import { directory } from '../fixtures/state.ts'
import { parentOf, pids } from '../handlers/support/processes.ts'
import { until } from '../lab/until.ts'

const read = fs.readFileSync
const childrenOf = (pid: number) => pids().filter(child => parentOf(child) === pid)

function see(how: unknown): void {
  fs.readFileSync = how as typeof read
  syncBuiltinESMExports()
}

/** From here on, for us and not for the shepherd. */
function seeNothing(t: TestContext): void {
  t.after(() => see(read))
  see((path: unknown, ...more: unknown[]) => {
    const ofProcesses = /^\/proc\/(\d+\/stat|loadavg)$/.test(String(path))
    if (ofProcesses) throw Object.assign(new Error('no memory'), { code: 'ENOMEM' })
    return (read as (...args: unknown[]) => unknown)(path, ...more)
  })
}

function runFor(lease: number, command: [string, ...string[]]): Run {
  const mark = newMark()
  const order = { command, passStdin: false, terms: { lease, grace: 200 } }
  const run = new Run(order, environmentFor('a', mark), mark)
  run.extend(bootClock() + lease)
  return run
}

it('what cannot be looked at is not taken for gone when the command has ended', async t => {
  const file = join(directory(t), 'pid')
  const run = runFor(60_000, ['/bin/sh', '-c', 'sleep 1000 & echo $! >"$0"', file])
  seeNothing(t)
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

it('a look during which something was forked is not the end before the shepherd has looked, too', async t => {
  const run = runFor(60_000, ['/bin/true'])
  let forks = 0
  t.after(() => see(read))
  see((path: unknown, ...more: unknown[]) =>
    path === '/proc/stat' ? `cpu\nprocesses ${++forks}\n` : (read as (...args: unknown[]) => unknown)(path, ...more),
  )
  const [shepherd] = childrenOf(process.pid)
  assert.ok(shepherd)
  run.start({})
  const { unseen } = await run.over
  assert.deepEqual([unseen, childrenOf(process.pid).includes(shepherd)], [false, false])
})

it('who can look at nothing until all time is over says so', async t => {
  const run = runFor(1000, ['/bin/sleep', '1000'])
  run.start({})
  seeNothing(t)
  const { unseen, stopped } = await run.over
  assert.deepEqual([unseen, stopped], [true, 'the lease is over, and what is left cannot be seen: no memory'])
})
