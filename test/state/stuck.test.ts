import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { bootClock, bootId } from '../../lib/base/clock.ts'
import { isAlive, isStopped, type Process, processOf } from '../../lib/machine/identity.ts'
import { writeFact } from '../../lib/state/facts.ts'
import { asOnlyHandler } from '../../lib/state/handler-lock.ts'
import { filesOf, isMarkForgotten, locksOf } from '../../lib/state/handler-mark.ts'
import { holderOf } from '../../lib/state/lock-directory.ts'
import type { InstanceFiles } from '../../lib/state/paths.ts'
import { endStuck } from '../../lib/state/stuck.ts'
import { stateOf } from '../fixtures/state.ts'
import { until } from '../lab/until.ts'

/** A process whose command line is that of one of our programs, or of a stranger. */
async function living(t: TestContext, program: string | null): Promise<Process> {
  const words = program === null ? [] : [`/opt/watchbill/${program}.cjs`, '--instance', 'a:svc']
  const child = spawn('/bin/sh', ['-c', 'sleep 60; :', ...words], { detached: true, stdio: 'ignore' })
  t.after(() => {
    try {
      process.kill(-(child.pid as number), 'SIGKILL')
    } catch {} // it was ended
  })
  child.on('exit', () => {})
  return until('the child', () => processOf(child.pid as number))
}

async function stop(one: Process): Promise<void> {
  process.kill(one.pid, 'SIGSTOP')
  await until('it to be stopped', () => isStopped(one))
}

/** Its name stands in a lock, with what it wrote there. */
function holds(lock: string, { pid, start }: Process, text: string): void {
  mkdirSync(lock, { recursive: true })
  writeFileSync(`${lock}/${pid}-${start}`, text)
}

const limit = () => `${bootId()} on-service ${bootClock() + 60_000}`

async function isFree({ directory }: InstanceFiles): Promise<boolean> {
  let inside = false
  const alone = await asOnlyHandler(directory, async () => {
    inside = true
  })
  assert.equal(alone, inside)
  return alone
}

describe('a handler that holds the lock of its instance', () => {
  it('is ended when it is stopped, and the lock is free', async t => {
    const files = stateOf(t)
    const one = await living(t, 'on-service')
    holds(filesOf(files.directory).lock, one, limit())
    await stop(one)
    assert.equal(await isFree(files), false)
    assert.equal(isMarkForgotten(files.directory), false, 'its holder will see the mark, one has to think')
    assert.deepEqual(await endStuck(files), {
      ended: true,
      said: [`ended on-service (pid ${one.pid}), which was stopped`],
    })
    assert.equal(isAlive(one), false)
    assert.equal(await isFree(files), true)
  })

  it('is ended when its deadline is long over', async t => {
    const files = stateOf(t)
    const one = await living(t, 'on-service')
    holds(filesOf(files.directory).lock, one, `${bootId()} on-service ${bootClock() - 6000}`)
    const { ended, said } = await endStuck(files)
    assert.equal(ended, true)
    assert.match(said.join(), /^ended on-service \(pid \d+\), which had not ended 6(\.\d)? s after its deadline$/)
    assert.equal(isAlive(one), false)
  })

  const left: [string, () => string][] = [
    ['it works, and has its time', limit],
    ['its deadline is just over: its own timer is late', () => `${bootId()} on-service ${bootClock() - 1000}`],
    ['it has no deadline', () => `${bootId()} - -`],
  ]
  for (const [what, text] of left) {
    it(`is left alone when ${what}`, async t => {
      const files = stateOf(t)
      const one = await living(t, 'on-service')
      holds(filesOf(files.directory).lock, one, text())
      assert.deepEqual(await endStuck(files), { ended: false, said: [] })
      assert.equal(isAlive(one), true)
      assert.equal(await isFree(files), false)
    })
  }

  it('of an earlier version, which wrote nothing of itself, is known by its command line', async t => {
    const files = stateOf(t)
    const one = await living(t, 'on-keyprefix')
    holds(filesOf(files.directory).lock, one, '')
    assert.equal(await isFree(files), false)
    await stop(one)
    assert.deepEqual((await endStuck(files)).said, [`ended on-keyprefix (pid ${one.pid}), which was stopped`])
  })

  it('is ended whichever lock of the instance it holds', async t => {
    const files = stateOf(t)
    for (const lock of locksOf(files)) {
      const program = lock.includes('/scheduler/') ? 'scheduler' : 'sync'
      const one = await living(t, program)
      holds(lock, one, `${bootId()} ${program} -`)
      await stop(one)
      assert.equal((await endStuck(files)).ended, true, lock)
      assert.equal(isAlive(one), false)
    }
  })

  it('is ended when it is leaving, and stopped before it took the lock', async t => {
    const files = stateOf(t)
    const one = await living(t, 'leave')
    writeFact(files.left, `leaving ${one.pid} ${one.start}`)
    assert.equal((await endStuck(files)).ended, false)
    await stop(one)
    assert.deepEqual((await endStuck(files)).said, [`ended leave (pid ${one.pid}), which was stopped`])
  })
})

describe('a process of somebody else’s', () => {
  const names: [string, () => string][] = [
    ['that a lock names by chance', () => ''],
    ['that has the name of a holder in another boot', () => 'another-boot on-service 1000'],
    ['that stands in what is no lock of ours', () => 'garbage'],
  ]
  for (const [what, text] of names) {
    it(`${what} keeps nobody out, and is left alone`, async t => {
      const files = stateOf(t)
      const one = await living(t, null)
      holds(filesOf(files.directory).lock, one, text())
      assert.equal(holderOf(filesOf(files.directory).lock), null)
      await stop(one)
      assert.deepEqual(await endStuck(files), { ended: false, said: [] })
      assert.equal(await isFree(files), true)
      assert.equal(isAlive(one), true)
    })
  }

  it('that has the pid and start time of a holder from before the clock began anew loses the lock, and lives', async t => {
    const files = stateOf(t)
    const { lock } = filesOf(files.directory)
    const one = await living(t, null)
    holds(lock, one, limit())
    await stop(one)
    assert.deepEqual(await endStuck(files), { ended: false, said: [] })
    assert.equal(isAlive(one), true)
    assert.equal(await isFree(files), true)
  })

  it('is not ended because it is said to be leaving', async t => {
    const files = stateOf(t)
    const one = await living(t, null)
    writeFact(files.left, `leaving ${one.pid} ${one.start}`)
    await stop(one)
    assert.deepEqual(await endStuck(files), { ended: false, said: [] })
    assert.equal(isAlive(one), true)
  })
})

describe('a lock', () => {
  it('with something in it that no program wrote is taken all the same', async t => {
    const files = stateOf(t)
    const { lock } = filesOf(files.directory)
    mkdirSync(lock)
    writeFileSync(`${lock}/notes`, 'mine')
    assert.equal(await isFree(files), true)
    assert.equal(existsSync(lock), false)
  })
})
