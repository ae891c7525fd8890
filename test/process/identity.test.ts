import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import {
  isAlive,
  isStopped,
  type Process,
  parentProcess,
  parseProcess,
  processOf,
  signal,
} from '../../lib/machine/identity.ts'
import { directory } from '../fixtures/state.ts'
import { lives, stateOf } from '../handlers/support/processes.ts'
import { until } from '../lab/until.ts'

function start(test: TestContext, command: string, args: readonly string[] = ['100']): ChildProcess {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'], detached: true })
  test.after(() => child.kill('SIGKILL'))
  return child
}

async function started(
  test: TestContext,
  command = 'sleep',
  args?: readonly string[],
): Promise<[Process, ChildProcess]> {
  const child = start(test, command, args)
  await once(child, 'spawn')
  return [processOf(child.pid as number) as Process, child]
}

/** The same pid, as if another process had it now. */
function recycled(process: Process): Process {
  return { ...process, start: String(Number(process.start) + 1) }
}

describe('a process', () => {
  it('is known by its pid and its start time', async test => {
    const [found, child] = await started(test)
    assert.equal(found.pid, child.pid)
    const fields = readFileSync(`/proc/${child.pid}/stat`, 'latin1').split(' ')
    assert.equal(found.start, fields[21])
    assert.ok(isAlive(found))
  })

  for (const name of ['two words', 'a) S 1 (b', ') Z 1 2 3 4', '((', 'x) R 7 (y) Z']) {
    it(`may be called ${JSON.stringify(name)}`, async test => {
      const program = join(directory(test), name)
      copyFileSync('/bin/sleep', program)
      const [found, child] = await started(test, program)
      await until(
        'it to have its name',
        () => readFileSync(`/proc/${child.pid}/comm`, 'utf8').trim() === name.slice(0, 15),
      )
      assert.deepEqual(processOf(found.pid), found)
      assert.ok(isAlive(found) && !isStopped(found))
      assert.ok(!isAlive(recycled(found)))
    })
  }

  it('is not taken for another that has its pid now, and that one gets no signal', async test => {
    const [found] = await started(test)
    const gone = recycled(found)
    assert.equal(isAlive(gone), false)
    assert.equal(signal(gone, 'SIGKILL'), false)
    assert.equal(signal(gone, 'SIGKILL', true), false)
    found.pid && process.kill(found.pid, 'SIGSTOP')
    await until('it to be stopped', () => isStopped(found))
    assert.equal(isStopped(gone), false)
    assert.ok(isAlive(found))
  })

  it('is gone once it ended', async test => {
    const [found, child] = await started(test)
    assert.equal(signal(found, 'SIGTERM'), true)
    await once(child, 'exit')
    assert.equal(isAlive(found), false)
    assert.equal(processOf(found.pid), null)
    assert.equal(signal(found, 'SIGTERM'), false)
  })

  it('is gone when only a zombie is left of it', async test => {
    const child = start(test, 'sh', ['-c', 'sleep 0.3 & echo $!; exec sleep 100'])
    const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer]
    const zombie = processOf(Number(line)) as Process
    await until('it to be a zombie', () => stateOf(zombie.pid) === 'Z')
    assert.equal(isAlive(zombie), false)
    assert.equal(processOf(zombie.pid), null)
    assert.equal(signal(zombie, 'SIGKILL'), false)
  })

  it('is alive and stopped while SIGSTOP holds it', async test => {
    const [found] = await started(test)
    assert.equal(isStopped(found), false)
    assert.ok(signal(found, 'SIGSTOP'))
    await until('it to be stopped', () => isStopped(found))
    assert.ok(isAlive(found))
    signal(found, 'SIGCONT')
    await until('it to go on', () => !isStopped(found))
  })

  it('is signalled together with its group when that is asked for', async test => {
    const [found, child] = await started(test, 'sh', ['-c', 'sleep 100 & echo $!; wait'])
    const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer]
    assert.ok(signal(found, 'SIGKILL', true))
    await until('the group to be gone', () => !lives(Number(line)) && !isAlive(found))
  })

  it('has a parent', () => assert.equal(parentProcess()?.pid, process.ppid))

  it('that never was is none', () => {
    assert.equal(processOf(2 ** 22 + 1), null)
    assert.equal(isAlive({ pid: 2 ** 22 + 1, start: '1' }), false)
  })
})

it('that is process 1 gets no signal, however its pid got into a file', () => {
  const first = processOf(1)
  assert.ok(first)
  const sent: unknown[] = []
  const { kill } = process
  process.kill = (...args) => {
    sent.push(args)
    return true
  }
  try {
    assert.equal(signal(first, 'SIGCONT'), false)
    assert.equal(signal(first, 'SIGCONT', true), false)
  } finally {
    process.kill = kill
  }
  assert.deepEqual(sent, [])
})

describe('the text of a process', () => {
  it('is its pid and its start time', () => assert.deepEqual(parseProcess('12 3456'), { pid: 12, start: '3456' }))

  for (const text of [
    null,
    '',
    ' ',
    '12',
    '12 ',
    ' 12 3',
    '0 3',
    '01 3',
    '-1 3',
    '1 -3',
    '1 3 ',
    '1 2 3',
    '1e3 3',
    'x 3',
    '1 x',
    '1\t3',
    '99999999999 3',
  ]) {
    it(`is nothing else: ${JSON.stringify(text)}`, () => assert.equal(parseProcess(text), null))
  }
})
