/** What the system refuses to `lock` while its command runs. The command has become another user: it does not die with `lock`. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { lives, parentOf, pids } from '../handlers/support/processes.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { until } from '../lab/until.ts'
import { Locker, under } from './locker.ts'

const cluster = sharedCluster({ clients: 0 })
const childrenOf = (pid: number) => pids().filter(child => parentOf(child) === pid)
const isRoot = process.getuid?.() === 0

it('lock that can open nothing any more stops its command when the lease is over', {
  skip: !isRoot && 'needs root, to become another user',
}, async t => {
  const agent = cluster().agent('s1')
  const program = join(cluster().root, 'sleep-as-nobody')
  copyFileSync('/bin/sleep', program)
  chownSync(program, 65_534, 65_534)
  chmodSync(program, 0o4755)
  const locker = new Locker(agent, ['--lease', '6s', '--grace', '500ms', 'no-files', '--', program, '1000'])
  t.after(() => locker.kill('SIGKILL'))
  const command = await until('the command to run', () => under(agent, 'no-files')[0])
  t.after(() => lives(command) && process.kill(command, 'SIGKILL'))
  await until('it to be known', () => childrenOf(locker.pid).length === 2)
  const limited = [locker.pid, ...childrenOf(locker.pid).filter(pid => pid !== command)]
  const limit = (files: string, pids: readonly number[]) => {
    for (const pid of pids) execFileSync('prlimit', ['--pid', String(pid), `--nofile=${files}`])
  }
  limit('3:4096', limited)
  process.kill(agent.pid as number, 'SIGSTOP')
  t.after(() => process.kill(agent.pid as number, 'SIGCONT'))
  await until('the command to be gone', () => !lives(command), { deadline: 20_000 })
  const { code, stderr } = await locker.ended
  assert.deepEqual(
    [code, /the lease is over, and what is left cannot be seen: EMFILE/.test(stderr)],
    [111, true],
    stderr,
  )
})
