/** Shepherds where the system refuses what they need: a fork, a descriptor. And those with a control group. */
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import { ownGroup } from '../../lib/process/containment/groups.ts'
import { alive, exitOf, gone, kill, Partition, pids, proc, shepherdFile, until } from './partition.ts'

const isRoot = process.getuid?.() === 0
const shells = [['sh'], ...(existsSync('/bin/bash') ? [['bash', '--posix']] : [])]
/** A shell with children in its own group, in another session, and one that has cleared its environment. */
const family = ['sh', '-c', 'sleep 1000 & setsid sleep 1000 & setsid env -i /bin/sleep 1000 & echo ready; wait']

/** All that bears the mark, as its limit. */
function bearers(p: Partition): number[] {
  return pids().filter(pid => alive(pid) && proc(pid, 'limits').includes(` ${p.mark} `))
}

async function family4(p: Partition): Promise<number[]> {
  return until('the family is there', () => {
    const all = bearers(p)
    return all.length === 4 ? all : null
  })
}

/** A user of its own for each test: RLIMIT_NPROC counts all processes of a user, and spares root. */
let lastUser = 60_000

function asUser(p: Partition): { shell: string[]; uid: number } {
  const uid = ++lastUser
  chmodSync(p.instance, 0o755)
  for (const path of [p.instance, join(p.instance, 'partition'), p.dir]) chownSync(path, uid, uid)
  return { shell: ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', 'sh'], uid }
}

/** As its own user: root in a container may lack the capability for another's limits. */
function limitOf(uid: number, { pid }: ChildProcess, limits: readonly string[]): void {
  const as = [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups']
  execFileSync('setpriv', [...as, 'prlimit', `--pid=${pid}`, ...limits])
}

function own(p: Partition, uid: number): void {
  for (const name of readdirSync(p.dir)) chownSync(join(p.dir, name), uid, uid)
}

/** What this machine's shells and files allow an unprivileged user to read. */
const script = isRoot ? copyOfScript() : shepherdFile

function copyOfScript(): string {
  const folder = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim()
  chmodSync(folder, 0o755)
  execFileSync('cp', [shepherdFile, folder])
  return join(folder, 'shepherd.sh')
}

test.after(() => isRoot && execFileSync('rm', ['-r', join(script, '..')]))

describe('a shepherd', { skip: !isRoot && 'needs root, to become other users', concurrency: 4 }, () => {
  const limits: [string, string[]][] = [
    ['may not fork any more (RLIMIT_NPROC)', ['--nproc=1']],
    ['has no descriptors left (RLIMIT_NOFILE)', ['--nofile=4']],
  ]
  for (const [what, limit] of limits) {
    test(`that ${what} kills everything by the end of the lease`, async t => {
      const p = new Partition(t)
      const { shell, uid } = asUser(p)
      p.acquire()
      own(p, uid)
      const child = p.start({ shell, script, lease: 3000, grace: 1000, run: family })
      const all = await family4(p)
      limitOf(uid, child, limit)
      for (const pid of all) await gone(pid)
      assert.ok(bootClock() - p.own < 3000 + 1000 + 900, `${bootClock() - p.own} ms after the lease began`)
      await exitOf(child)
    })
  }

  test('that may not fork when it is asked to stop kills everything at once', async t => {
    const p = new Partition(t)
    const { shell, uid } = asUser(p)
    p.acquire()
    own(p, uid)
    const child = p.start({ shell, script, lease: 60_000, grace: 30_000, run: family })
    const all = await family4(p)
    limitOf(uid, child, ['--nproc=1'])
    child.kill('SIGTERM')
    for (const pid of all) await gone(pid)
    await exitOf(child)
    assert.match(p.fact('status') ?? '', /no process could be started/)
  })

  test('goes on where its files may not grow (RLIMIT_FSIZE)', async t => {
    const p = new Partition(t)
    const child = await p.running({ run: ['sleep', '1000'] })
    execFileSync('prlimit', [`--pid=${child.pid}`, '--fsize=0'])
    kill(p.pid(), 'SIGKILL')
    await until('the process was started again', () => bearers(p).length === 1)
    child.kill('SIGTERM')
    await exitOf(child)
    assert.deepEqual(bearers(p), [])
  })
})

const base = ownGroup()
const where = `${base?.mount}${base?.path}`

describe('a shepherd with a control group', { skip: !(isRoot && base) && 'needs root and cgroup2' }, () => {
  function group(t: TestContext, p: Partition): string {
    const path = `${where}/watchbill-test-${p.mark}`
    mkdirSync(path)
    t.after(() => until('the group is empty', () => removed(path)))
    p.write('group', `${path}\n`)
    return path
  }
  const members = (path: string) => readFileSync(`${path}/cgroup.procs`, 'utf8').split('\n').filter(Boolean).map(Number)

  for (const shell of shells) {
    test(`run by ${shell.join(' ')} has its process in it, and ends all of it`, async t => {
      const p = new Partition(t)
      const path = group(t, p)
      const lost = ['sh', '-c', 'exec 2>/dev/null; ulimit -w 7 || ulimit -x 7; exec env -i setsid -f sleep 1000']
      const child = await p.running({ shell, run: ['sh', '-c', '"$@"; exec sleep 1000', 'sh', ...lost] })
      const all = await until('both are there', () => (members(path).length === 2 ? members(path) : null))
      assert.ok(!all.includes(child.pid as number), 'it stands outside itself')
      child.kill('SIGTERM')
      await exitOf(child)
      assert.deepEqual(members(path), [])
      for (const pid of all) assert.ok(!alive(pid))
    })
  }

  test('kills what its process left there before it starts the next', async t => {
    const p = new Partition(t)
    const path = group(t, p)
    const run = ['sh', '-c', '(ulimit -w 7; exec env -i setsid -f sleep 1000); sleep 0.2']
    const child = p.start({ run })
    await until('it was started three times', () => Number(p.fact('restarts')) >= 2)
    assert.ok(members(path).length <= 3, `${members(path).length} are there`)
    child.kill('SIGTERM')
    await exitOf(child)
    assert.deepEqual(members(path), [])
  })

  test('whose group is gone goes on without', async t => {
    const p = new Partition(t)
    p.write('group', `${where}/never-made\n`)
    const child = await p.running({ run: ['sleep', '1000'] })
    child.kill('SIGTERM')
    assert.equal(await exitOf(child), 0)
    assert.equal(statSync(p.dir).isDirectory(), true)
  })
})

function removed(path: string): boolean {
  try {
    rmdirSync(path)
    return true
  } catch {
    return !existsSync(path)
  }
}
