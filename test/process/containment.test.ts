import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, it, type TestContext } from 'node:test'
import { AlreadyThere } from '../../lib/machine/already-there.ts'
import { processOf, startOf as processStart } from '../../lib/machine/identity.ts'
import { randomMark } from '../../lib/machine/marks.ts'
import { killMembers, livingOf, membersOf } from '../../lib/process/containment/containment.ts'
import { ownGroup } from '../../lib/process/containment/groups.ts'
import { type PartitionFiles, partitionFiles } from '../../lib/state/partition-paths.ts'
import { directory } from '../fixtures/state.ts'
import { lives } from '../handlers/support/processes.ts'
import { until } from '../lab/until.ts'

const PATH = process.env.PATH ?? ''
const setLimit = '{ ulimit -w "$MARK" || ulimit -x "$MARK"; } 2>/dev/null;'

/** A partition's directory with its mark. */
function partition(root: string, name: string, mark: string | null = randomMark()): PartitionFiles & { own: string } {
  const files = partitionFiles(join(root, name))
  mkdirSync(files.directory, { recursive: true })
  if (mark !== null) writeFileSync(files.mark, `${mark}\n`)
  return { ...files, own: mark ?? '' }
}

/** A shell that has said that it is ready, and becomes something else then. */
async function start(test: TestContext, env: Record<string, string>, script = 'exec sleep 100'): Promise<number> {
  const child = spawn('/bin/sh', ['-c', `${env.MARK ? setLimit : ''} echo ready; ${script}`], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env,
    detached: true,
  })
  test.after(() => end(child))
  await once(child.stdout as NodeJS.ReadableStream, 'data')
  return child.pid as number
}

function end(child: ChildProcess): void {
  try {
    process.kill(-(child.pid as number), 'SIGKILL')
  } catch {
    // It is gone.
  }
}

/** Directory -> pids. */
function found(...all: PartitionFiles[]): Record<string, number[]> {
  return Object.fromEntries(
    [...membersOf(all)].map(([directory, own]) => [directory, own.map(({ pid }) => pid).sort((a, b) => a - b)]),
  )
}

describe('what belongs to a partition', () => {
  it('bears its mark in the environment', async test => {
    const root = directory(test)
    const [one, two] = [partition(root, '1'), partition(root, 'α 2')]
    const first = await start(test, { A: 'x', WATCHBILL_MARK: one.own, Z: 'y' })
    const second = await start(test, { WATCHBILL_MARK: two.own })
    await start(test, { X_WATCHBILL_MARK: one.own })
    await start(test, { X: `y\nWATCHBILL_MARK=${one.own}` })
    await start(test, { WATCHBILL_MARK: `${one.own}0` })
    assert.deepEqual(found(one, two), { [one.directory]: [first], [two.directory]: [second] })
    assert.deepEqual(found(two), { [two.directory]: [second] })
  })

  it('bears it as its limit on file locks, whatever it did to its environment, parents, group and session', async test => {
    const one = partition(directory(test), '1')
    const env = { MARK: one.own, PATH }
    const cleared = await start(test, env, 'exec env -i /bin/sleep 100')
    const titled = await start(test, env, `exec perl -e '$0 = "x" x 4000; sleep 100'`)
    const file = join(one.directory, 'pid')
    await start(test, env, `(setsid env -i /bin/sh -c 'echo $$ >"$0"; exec sleep 100' ${file} &) ; exit`)
    const away = await until('it got away', see => see(existsSync(file)) && Number(readFileSync(file, 'utf8')))
    await until('all to be what they become', () => found(one)[one.directory]?.length === 3)
    assert.deepEqual(
      found(one)[one.directory],
      [cleared, titled, away].sort((a, b) => a - b),
    )
    assert.deepEqual(killMembers([one]), [one])
    await until('all to be gone', () => ![cleared, titled, away].some(lives))
    assert.deepEqual(killMembers([one]), [])
  })

  it('is found in the middle of an exec', async test => {
    const one = partition(directory(test), '1')
    const again = join(one.directory, 'again.sh')
    writeFileSync(again, `exec /bin/sh ${again}\n`)
    const pid = await start(test, { MARK: one.own }, `exec /bin/sh ${again}`)
    for (let looks = 0; looks < 200; looks++) assert.deepEqual(found(one)[one.directory], [pid], `look ${looks}`)
  })

  it('is the process that was written down, its group, its session, and their descendants', async test => {
    const one = partition(directory(test), '1')
    const leader = await start(test, { PATH }, `sleep 100 & setsid sh -c 'sleep 100 & exec sleep 100' & wait`)
    writeFileSync(one.process, `${leader} ${processOf(leader)?.start}\n`)
    const all = await until('all to run', see => {
      const pids = see(found(one)[one.directory] ?? [])
      return pids.length === 4 && pids
    })
    assert.ok(all.includes(leader))
    for (const pid of all) if (lives(pid)) process.kill(pid, 'SIGKILL')
  })

  it("is, of the group of a leader that is gone, only what bears the mark: the number may be another's by now", async test => {
    const [one, two] = [partition(directory(test), '1'), partition(directory(test), '2', null)]
    const leader = await start(test, { PATH }, 'sleep 100 & wait')
    const recorded = `${leader} ${processOf(leader)?.start}\n`
    for (const files of [one, two]) writeFileSync(files.process, recorded)
    process.kill(leader, 'SIGKILL')
    await until('the leader to be gone', () => !lives(leader))
    await until('its zombie to be gone', () => processStart(leader) === null)
    assert.deepEqual(found(one), {})
    // What a release without marks has started bears none.
    assert.equal(found(two)[two.directory]?.length, 1)
  })

  it('is nobody by a mark that could stand anywhere', async test => {
    const root = directory(test)
    for (const [name, text] of [
      ['empty', ''],
      ['short', '7'],
      ['word', 'unlimited'],
    ] as const) {
      const files = partition(root, name)
      writeFileSync(files.mark, `${text}\n`)
      await start(test, { WATCHBILL_MARK: text })
      assert.deepEqual(found(files), {}, name)
    }
  })

  it('is nobody who has the pid of a process that is gone', async test => {
    const one = partition(directory(test), '1')
    const stranger = await start(test, { PATH }, 'sleep 100 & wait')
    writeFileSync(one.process, `${stranger} 1\n`)
    assert.deepEqual(found(one), {})
  })

  it('was started by a release without marks, and bears the name of the directory', async test => {
    const root = directory(test)
    const [one, ten] = [partition(root, '1', null), partition(root, '10', null)]
    const old = await start(test, { WATCHBILL_DIR: one.directory })
    await start(test, { WATCHBILL_DIRECTORY: ten.directory })
    assert.deepEqual(found(one, ten), { [one.directory]: [old] })
  })

  it('is not known by that name once there is a mark: anybody can guess a name', async test => {
    const one = partition(directory(test), '1')
    await start(test, { WATCHBILL_DIR: one.directory })
    assert.deepEqual(found(one), {})
  })

  it('is no zombie', async test => {
    const one = partition(directory(test), '1')
    const parent = await start(test, { PATH }, `MARK=${one.own} sh -c '${setLimit} exec sleep 0.2' & exec sleep 100`)
    await until('the child to have come', () => found(one)[one.directory]?.length === 1)
    await until('the child to be a zombie', () => found(one)[one.directory] === undefined)
    assert.ok(lives(parent))
  })

  const isRoot = process.getuid?.() === 0
  it('is seen by another user too, and outlives what that user may do', {
    skip: !isRoot && 'needs root',
  }, async test => {
    const one = partition(directory(test), '1')
    const pid = await start(test, { MARK: one.own })
    const module = new URL('../../lib/process/containment/containment.ts', import.meta.url).href
    const script = `const { livingOf } = await import(process.argv[1])
      const { signal } = await import(process.argv[1].replace('process/containment/containment', 'machine/identity'))
      process.setuid(65534)
      const all = livingOf([{ key: 'it', mark: process.argv[2], group: null, recorded: null }]).get('it')
      console.log(all.length, signal(all[0], 'SIGKILL'))`
    const args = ['--input-type=module', '--eval', script, module, one.own]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    assert.equal((await text(child.stdout)).trim(), '1 false')
    assert.ok(lives(pid))
  })

  const group = ownGroup()
  it('stands in its control group', { skip: !(isRoot && group) && 'needs root and cgroup2' }, async test => {
    const one = partition(directory(test), '1')
    const path = `${group?.mount}${group?.path}/watchbill-test-${one.own}`
    mkdirSync(path)
    test.after(() => until('the group to be empty', () => removed(path)))
    writeFileSync(one.group, `${path}\n`)
    const script = `echo 0 >${path}/cgroup.procs; setsid env -i /bin/sleep 100 & exec env -i /bin/sleep 100`
    const pid = await start(test, { PATH }, script)
    await until('both to be there', () => found(one)[one.directory]?.length === 2)
    assert.ok(found(one)[one.directory]?.includes(pid))
    killMembers([one])
    await until('both to be gone', () => found(one)[one.directory] === undefined)
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

describe('what comes from one command', () => {
  it('is found among the processes that were started after it, by any of its marks', async test => {
    const mark = randomMark()
    const there = new AlreadyThere()
    there.remember()
    const first = await start(test, { WATCHBILL_ACQUISITIONS: `17 ${mark}`, B: 'x'.repeat(100_000) })
    const second = await start(test, { MARK: mark })
    await start(test, { WATCHBILL_ACQUISITIONS: randomMark() })
    for (const older of [null, there, new AlreadyThere()]) {
      const living = livingOf([{ key: 'it', mark, group: null, recorded: null }], older).get('it') ?? []
      assert.deepEqual(living.map(({ pid }) => pid).sort(), [first, second].sort())
    }
  })
})
