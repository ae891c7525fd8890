import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, it, type TestContext } from 'node:test'
import { bearersOf, forksSoFar, killMarked, lowestPid, markedProcesses } from '../../lib/process/marks.ts'
import { directory } from '../fixtures/state.ts'
import { lives } from '../handlers/support/processes.ts'
import { until } from '../lab/until.ts'

const marks = new URL('../../lib/process/marks.ts', import.meta.url).href

async function start(test: TestContext, env: Record<string, string>, script = 'exec sleep 100'): Promise<number> {
  const child = spawn('/bin/sh', ['-c', `echo ready; ${script}`], { stdio: ['ignore', 'pipe', 'ignore'], env })
  test.after(() => child.kill('SIGKILL'))
  await once(child.stdout as NodeJS.ReadableStream, 'data')
  return child.pid as number
}

/** Directory -> pids. */
function found(root: string): Record<string, number[]> {
  return Object.fromEntries(
    [...markedProcesses(root)].map(([directory, all]) => [directory, all.map(({ pid }) => pid)]),
  )
}

describe('the marked processes', () => {
  it('are found by the directory that they carry', async test => {
    const root = directory(test)
    const one = await start(test, { A: 'x', WATCHBILL_DIR: `${root}/1`, Z: 'y' })
    const two = [
      await start(test, { WATCHBILL_DIR: `${root}/α 2` }),
      await start(test, { WATCHBILL_DIR: `${root}/α 2` }),
    ]
    assert.deepEqual(found(root), { [`${root}/1`]: [one], [`${root}/α 2`]: two.sort((a, b) => a - b) })
  })

  it('are those below the directory that is asked for, and of no other', async test => {
    const root = directory(test)
    await start(test, { WATCHBILL_DIR: `${root}/partition-2/1` })
    await start(test, { WATCHBILL_DIR: `${root}/partition` })
    await start(test, { WATCHBILL_DIR: `/elsewhere${root}/partition/1` })
    assert.deepEqual(found(`${root}/partition`), {})
  })

  it('carry that very variable', async test => {
    const root = directory(test)
    await start(test, { X_WATCHBILL_DIR: `${root}/1` })
    await start(test, { WATCHBILL_DIRECTORY: `${root}/1` })
    await start(test, { X: `y\nWATCHBILL_DIR=${root}/1` })
    assert.deepEqual(found(root), {})
    const both = await start(test, { X_WATCHBILL_DIR: `${root}/2`, WATCHBILL_DIR: `${root}/1` })
    assert.deepEqual(found(root), { [`${root}/1`]: [both] })
  })

  it('include one that is always becoming another program', async test => {
    const root = directory(test)
    const again = join(root, 'again.sh')
    writeFileSync(again, `exec /bin/sh ${again}\n`)
    const pid = await start(test, { WATCHBILL_DIR: `${root}/1` }, `exec /bin/sh ${again}`)
    for (let looks = 0; looks < 200; looks++) assert.deepEqual(found(root), { [`${root}/1`]: [pid] }, `look ${looks}`)
  })

  it('include descendants that left group, session and parent', async test => {
    const root = directory(test)
    const script = 'setsid sh -c "sleep 100 & exit" & exec sleep 100'
    const top = await start(test, { WATCHBILL_DIR: `${root}/1`, PATH: process.env.PATH ?? '' }, script)
    const [stray] = await until('the descendant to be alone', see => {
      const pids = see(found(root)[`${root}/1`] ?? [])
      const others = pids.filter(pid => pid !== top)
      return others.length === 1 && pids.every(pid => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'sleep\n') && others
    })
    assert.equal(killMarked(root, new Set([`${root}/1`])), 2)
    await until('both to be gone', () => !lives(stray as number) && !lives(top))
  })

  it('do not include zombies', async test => {
    const root = directory(test)
    const env = { WATCHBILL_DIR: `${root}/1`, PATH: process.env.PATH ?? '' }
    const parent = await start(test, env, 'sleep 0.2 & unset WATCHBILL_DIR; exec sleep 100')
    await until('the child to be a zombie', see => see(found(root)[`${root}/1`] ?? []).length === 0)
    assert.ok(lives(parent))
  })

  it('are killed in the directories that are named, and counted', async test => {
    const root = directory(test)
    const one = await start(test, { WATCHBILL_DIR: `${root}/1` })
    const ten = await start(test, { WATCHBILL_DIR: `${root}/10` })
    assert.equal(killMarked(root, new Set([`${root}/1`])), 1)
    await until('it to be gone', () => !lives(one))
    assert.equal(killMarked(root, new Set([`${root}/1`])), 0)
    assert.ok(lives(ten))
  })

  const isRoot = process.getuid?.() === 0
  it('may stand beside processes of other users, whose environment cannot be read', {
    skip: !isRoot && 'needs root',
  }, async test => {
    const root = directory(test)
    const other = await start(test, { WATCHBILL_DIR: `${root}/1` })
    const script = `const marks = await import(process.argv[1]); process.setuid(65534)
      console.log(marks.markedProcesses(process.argv[2]).size, marks.killMarked(process.argv[2], new Set([process.argv[3]])))`
    const args = ['--input-type=module', '--eval', script, marks, root, `${root}/1`]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    assert.equal((await text(child.stdout)).trim(), '0 0')
    assert.ok(lives(other))
  })
})

describe('the bearers of a text', () => {
  it('are found wherever it stands in their environment, and nobody else is', async test => {
    const id = crypto.randomUUID()
    const forks = forksSoFar()
    const first = await start(test, { A: `outer ${id}`, B: 'x'.repeat(100_000) })
    const second = await start(test, { Z: 'y'.repeat(70_000), IDS: id })
    await start(test, { IDS: crypto.randomUUID() })
    for (const since of [null, { pid: first, forks }]) {
      assert.deepEqual(
        bearersOf(id, since)
          .map(({ pid }) => pid)
          .sort(),
        [first, second].sort(),
      )
    }
  })

  const since = { pid: 1000, forks: 50_000 }
  const cases: [string, { forks: number; tasks: number; most: number }, number][] = [
    ['pids have gone up since', { forks: 51_000, tasks: 500, most: 32_768 }, 1000],
    ['they may have begun anew', { forks: 81_000, tasks: 500, most: 32_768 }, 0],
    ['they may have begun anew, over those in use', { forks: 50_001, tasks: 16_000, most: 32_768 }, 0],
    ['the kernel does not tell', { forks: Number.NaN, tasks: 500, most: 32_768 }, 0],
  ]
  for (const [what, now, lowest] of cases) {
    it(`are looked for from ${lowest} on when ${what}`, () => assert.equal(lowestPid(since, now), lowest))
  }
})
