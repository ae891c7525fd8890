/**
 * The only program of a pid namespace: `alone.ts FIRST NEXT`. Runs a command under `lock` after pid FIRST that leaves a process
 * behind after pid NEXT, or (`reuse`) with the pid of a process that was there before the command and has ended since.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bootClock } from '../../lib/base/clock.ts'
import { environmentFor, newMark } from '../../lib/lock/mark.ts'
import { Run } from '../../lib/lock/run.ts'

const lastPid = '/proc/sys/kernel/ns_last_pid'
const [first = '', next = ''] = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'watchbill-alone-'))
const pidFile = join(folder, 'pid')

const old = spawn('/bin/sleep', ['1000'])
const after = next === 'reuse' ? Number(old.pid) - 1 : Number(next)
const script = `while kill -s 0 ${old.pid} 2>/dev/null; do sleep 0.01; done
  echo ${after} >${lastPid}; sleep 1000 & echo $! >${pidFile}`
const mark = newMark()
const order = { command: ['/bin/sh', '-c', script], passStdin: false, terms: { lease: 60_000, grace: 200 } } as const
const run = new Run(order, environmentFor('a', mark), mark)
run.extend(bootClock() + 60_000)
writeFileSync(lastPid, first)
run.start({})
old.kill('SIGKILL')
await once(old, 'exit')
await run.over
const left = Number(readFileSync(pidFile, 'utf8'))
rmSync(folder, { recursive: true })
console.log(JSON.stringify({ left, lives: lives(left) }))
process.exit()

/** A zombie does not live. */
function lives(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== ''
  } catch {
    return false
  }
}
