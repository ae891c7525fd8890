/** What the system refuses to `lock` while its command runs. The command has become another user: it does not die with `lock`. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { userOf } from '../../lib/machine/identity.ts'
import { directory } from '../fixtures/state.ts'
import { lives, parentOf, pids } from '../handlers/support/processes.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { until } from '../lab/until.ts'
import { fromSources, Locker, under } from './locker.ts'

const cluster = sharedCluster({ clients: 0 })
const childrenOf = (pid: number) => pids().filter(child => parentOf(child) === pid)
/** null when it was closed meanwhile. */
const readlink = (file: string) => {
  try {
    return readlinkSync(file)
  } catch {
    return null
  }
}
const isRoot = process.getuid?.() === 0

const canOpenNothing: Record<string, string> = {
  'but with the descriptor of its stdin': '3:4096',
  'not even with that, as where the machine has no files left': '0:4096',
}
for (const [how, least] of Object.entries(canOpenNothing)) {
  it(`lock that can open nothing any more, ${how}, stops its command when the lease is over`, {
    skip: !isRoot && 'needs root, to become another user',
  }, async t => {
    const agent = cluster().agent('s1')
    const name = `files-${least.split(':')[0]}`
    const program = join(cluster().root, `sleep-as-nobody-${name}`)
    copyFileSync('/bin/sleep', program)
    chownSync(program, 65_534, 65_534)
    chmodSync(program, 0o4755)
    const script = '(setsid "$1" 1000 &); exec "$1" 1000' // one of them is nobody's child
    const line = [name, '--', '/bin/sh', '-c', script, 'sh', program]
    const locker = new Locker(agent, ['--lease', '6s', '--grace', '500ms', ...line])
    t.after(() => locker.kill('SIGKILL'))
    const isSleep = (pid: number) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(program)
    const commands = await until('the command to run', () => {
      const all = under(agent, name).filter(isSleep)
      return all.length === 2 && all
    })
    t.after(() => commands.filter(lives).map(pid => process.kill(pid, 'SIGKILL')))
    await until('it to be known', () => childrenOf(locker.pid).length === 2)
    const limited = [locker.pid, ...childrenOf(locker.pid).filter(pid => !commands.includes(pid))]
    const limit = (files: string, pids: readonly number[]) => {
      for (const pid of pids) execFileSync('prlimit', ['--pid', String(pid), `--nofile=${files}`])
    }
    const files = () => readdirSync(`/proc/${locker.pid}/fd`).map(file => readlink(`/proc/${locker.pid}/fd/${file}`))
    await until('it to hold them', () => commands.every(pid => files().includes(`/proc/${pid}/stat`)))
    limit(least, limited)
    process.kill(agent.pid as number, 'SIGSTOP')
    t.after(() => process.kill(agent.pid as number, 'SIGCONT'))
    const { code, stderr } = await locker.ended
    assert.deepEqual([code, /the lease is over/.test(stderr), commands.filter(lives)], [111, true, []], stderr)
  })
}

it('a signal that a command may not be sent is not taken for its end', {
  skip: !isRoot && 'needs root, to be another user than the command',
}, async t => {
  const agent = cluster().agent('s1')
  const user = ['--reuid=65534', '--regid=65534', '--clear-groups']
  const folder = directory(t)
  chmodSync(folder, 0o755)
  const program = join(folder, 'setpriv-as-root')
  copyFileSync('/usr/bin/setpriv', program)
  chmodSync(program, 0o4755)
  const goesOn = join(folder, 'goes-on')
  writeFileSync(goesOn, '')
  const command = [program, '--reuid=0', 'sh', '-c', 'while [ -e "$0" ]; do sleep 0.5; done; exit 7', goesOn]
  const locker = new Locker(agent, ['root-runs', '--', ...command], {
    program: ['setpriv', ...user, ...fromSources],
  })
  t.after(() => locker.kill('SIGKILL'))
  await until('the command to run', see => {
    see(locker.stderr)
    return childrenOf(locker.pid).some(pid => userOf(pid) === 0)
  })
  locker.kill('SIGTERM')
  unlinkSync(goesOn)
  const { code, stderr } = await locker.ended
  assert.equal(code, 7, stderr)
})
