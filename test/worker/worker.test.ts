import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { bootClock, bootId } from '../../lib/base/clock.ts'
import { isAlive, type Process, parseProcess } from '../../lib/machine/identity.ts'
import { collect, takeBack } from '../../lib/process/worker/handed.ts'
import { readFact, readLine, writeFact } from '../../lib/state/facts.ts'
import { never, partitionLease } from '../../lib/state/lease.ts'
import { localFacts } from '../../lib/state/local.ts'
import { writePartitionLease } from '../../lib/state/worker-lease.ts'
import { directory } from '../fixtures/state.ts'
import { type Beat, overlaps, readBeats } from '../lab/beats.ts'
import { until } from '../lab/until.ts'
import { exampleWorker, Place } from './place.ts'

const beating = new URL('../lab/worker.sh', import.meta.url).pathname

/** The worker of docs/one-process.md, whose partitions beat. */
function example(t: TestContext, terms = {}) {
  const beats = join(directory(t), 'beats')
  writeFileSync(beats, '')
  const place = new Place(t, [exampleWorker, beating, beats], terms)
  return Object.assign(place, { journal: beats, beats: () => readBeats(beats) })
}

/** A worker of 0 and 1 that does not look at what it is told, and confirms by `confirm`. */
async function stubborn(t: TestContext, confirm = ':', terms = {}) {
  const script = `trap '${confirm}' WINCH; trap : TERM; echo ready; while :; do sleep 0.05; done`
  const place = new Place(t, ['/bin/sh', '-c', script], terms)
  await place.start(place.acquire('0'), place.acquire('1'))
  await until('it to be ready', () => readFact(place.files.worker.output) === 'ready')
  return { place, first: parseProcess(await place.process()) as Process }
}

const running = (beats: Beat[], partition: string) => {
  const last = beats.findLast(beat => beat.partition === partition)
  return last !== undefined && !last.stop && bootClock() - last.at < 1000
}

function runs(place: ReturnType<typeof example>, ...partitions: string[]) {
  return until(`${partitions} to run`, async () => {
    const beats = await place.beats()
    return partitions.every(partition => running(beats, partition))
  })
}

/** The worker of docs/one-process.md with 0 and 1, which run; `own` is that of 1. */
async function two(t: TestContext) {
  const place = example(t)
  await place.start(place.acquire('0'), place.acquire('1'))
  await runs(place, '0', '1')
  return { place, worker: place.files.worker, own: place.files.partition('1') }
}

describe('the worker', () => {
  it('is one process for all, told by a file and a signal', async t => {
    const place = example(t)
    await place.start(place.acquire('0'), place.acquire('1'))
    await runs(place, '0', '1')
    const first = await place.process()
    await place.start(place.acquire('a b', '8'))
    await runs(place, '0', '1', 'a b')
    assert.equal(await place.process(), first)
    const local = localFacts(place.files, null, bootClock())
    for (const [id, one] of local) {
      assert.deepEqual([id, one.process], [id, parseProcess(first)])
      assert.equal(one.status, 'running')
      assert.ok(one.shepherd)
    }
  })

  it('confirms what it stopped, and the others run on', async t => {
    const place = example(t)
    await place.start(place.acquire('0'), place.acquire('1'))
    await runs(place, '0', '1')
    const first = await place.process()
    assert.deepEqual(await place.stop(['1']), ['1'])
    const beats = await place.beats()
    assert.equal(beats.findLast(({ partition }) => partition === '1')?.stop, true, 'it had ended before that was told')
    assert.equal(await place.process(), first)
    assert.equal(existsSync(place.files.partition('1').handed), false)
    await place.start(place.acquire('1', '9'))
    await runs(place, '0', '1')
    assert.deepEqual(overlaps(await place.beats()), [])
  })

  const starting: [what: string, command: readonly string[]][] = [
    ['in shell', [exampleWorker, '/bin/sleep', '1000']],
    ['in Node', [process.execPath, join(import.meta.dirname, '../bench/instance/worker.ts'), '/dev/null']],
  ]
  for (const [what, command] of starting) {
    it(`${what} confirms what came and went before it looked`, async t => {
      const gate = join(directory(t), 'gate')
      const slow = `until [ -e ${gate} ]; do sleep 0.02; done; exec "$@"`
      const place = new Place(t, ['/bin/sh', '-c', slow, 'slow', ...command], { grace: 20_000 })
      await place.start(place.acquire('0'), place.acquire('1'), place.acquire('2'))
      const first = await place.process()
      const stopped = place.stop(['1', '2'])
      await until('it to be asked', () => existsSync(place.files.worker.stopping))
      writeFileSync(gate, '')
      assert.deepEqual((await stopped).sort(), ['1', '2'])
      assert.equal(await place.process(), first)
      assert.deepEqual((await place.stop(['0'])).sort(), ['0'], 'the last one ends it')
      assert.doesNotMatch(readFact(place.files.log) ?? '', /ignores|as a whole/)
    })
  }

  it('that ended is not believed of what the next one was told to have', async t => {
    const { place, worker, own } = await two(t)
    // Whoever asked was killed before the assignment was replaced. The worker ends, and confirms all that it had.
    writeFact(own.asked, 'the worker is to stop it')
    writeFileSync(worker.confirmations, `${readFact(worker.assignment)}\n`)
    takeBack(worker, [own])
    assert.ok(existsSync(own.handed), 'the next one may have it')
    assert.doesNotMatch(readFact(worker.assignment) ?? '', /"id":"1"/)
    assert.deepEqual(await place.stop(['1']), ['1'])
  })

  it('that is another when it can read the new assignment is not believed what was said before', async t => {
    const { place, worker, own } = await two(t)
    const line = readFact(own.handed) ?? ''
    const was = await place.process()
    const meanwhile = {
      ...own,
      // It is asked, and before the assignment is replaced it ends, with a word, and the next one starts.
      get asked() {
        writeFileSync(worker.confirmations, `${line}\n`)
        writeFileSync(worker.process, '1 1\n')
        return own.asked
      },
    }
    takeBack(worker, [meanwhile])
    writeFileSync(worker.process, `${was}\n`)
    collect(worker)
    assert.ok(existsSync(own.handed), 'the next one may have it')
    assert.deepEqual(await place.stop(['1']), ['1'])
  })

  it('is not believed what was said before a handler that was killed could tell it', async t => {
    const { place, worker, own } = await two(t)
    takeBack(worker, [own])
    writeFileSync(worker.confirmations, `${readFact(own.handed)}\n`)
    takeBack(worker, [own])
    assert.ok(existsSync(own.handed), 'the next one may have it')
    assert.deepEqual(await place.stop(['1']), ['1'])
  })

  it('is not told of what was taken back while it can still read that it is to have it', async t => {
    const { place, worker, own } = await two(t)
    mkdirSync(worker.changed) // so that the assignment cannot be replaced
    assert.throws(() => takeBack(worker, [own]), /cannot write/)
    assert.equal(existsSync(worker.stopping), false)
    rmdirSync(worker.changed)
    takeBack(worker, [own])
    assert.match(readFact(worker.stopping) ?? '', /^{"id":"1",[^\n]*$/)
    assert.deepEqual(await place.stop(['1']), ['1'])
    assert.equal(existsSync(worker.stopping), false)
  })

  it('ends with the last of them, however fast it confirms that', async t => {
    const place = example(t)
    await place.start(place.acquire('0'), place.acquire('1'))
    await runs(place, '0', '1')
    const first = parseProcess(await place.process()) as Process
    const kill = process.kill.bind(process)
    t.mock.method(process, 'kill', (pid: number, name: NodeJS.Signals) => {
      const sent = kill(pid, name)
      const { confirmations } = place.files.worker
      const said = () => (readFact(confirmations) ?? '').split('\n').length
      for (let left = 500; name === 'SIGWINCH' && left > 0 && said() < 2; left--)
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
      return sent
    })
    assert.deepEqual((await place.stop(['0', '1'])).sort(), ['0', '1'])
    assert.equal(isAlive(first), false)
  })

  it('ends with the last of them', async t => {
    const place = example(t)
    await place.start(place.acquire('0'), place.acquire('1'))
    await runs(place, '0', '1')
    const first = parseProcess(await place.process())
    assert.deepEqual((await place.stop(['0', '1'])).sort(), ['0', '1'])
    assert.equal(first && isAlive(first), false)
  })

  it('is stopped as a whole when it does not confirm within the grace period', async t => {
    const { place, first } = await stubborn(t, ':', { grace: 300 })
    const begun = bootClock()
    assert.deepEqual(await place.stop(['1']), ['1'])
    assert.ok(bootClock() - begun >= 300)
    assert.equal(isAlive(first), false)
    const other = localFacts(place.files, null, bootClock()).get('0')
    assert.deepEqual([other?.shepherd, other?.process], [null, null], 'which has the next look start it anew')
    assert.match(readFileSync(place.files.log, 'utf8'), /stopped as a whole: it has not confirmed that it stopped 1$/m)
  })

  it('is believed when it confirms what it was asked for, with whatever else', async t => {
    const line = '{"token":"7","id":"1","took":"3 s"}'.replaceAll('"', '\\"')
    const { place, first } = await stubborn(t, `echo "${line}" >>"$WATCHBILL_CONFIRMATIONS"`, { grace: 20_000 })
    assert.deepEqual(await place.stop(['1']), ['1'])
    assert.equal(isAlive(first), true)
  })

  it('is believed what it confirmed in time, however long giving back the others takes', async t => {
    const line = (id: string) => `echo "{\\"id\\":\\"${id}\\",\\"token\\":\\"7\\"}" >>"$WATCHBILL_CONFIRMATIONS"`
    const { place, first } = await stubborn(t, `${line('0')}; sleep 0.2; ${line('1')}`, { grace: 500 })
    await place.start(place.acquire('2'))
    assert.deepEqual(await place.stop(['0', '1'], {}, 700), ['0', '1'])
    assert.equal(isAlive(first), true)
  })

  const lies: [string, string][] = [
    ['garbage', 'echo "oh no"'],
    ['half a line', 'printf "{\\"id\\":\\"1\\",\\"token\\":\\"7\\"}"'],
    ['another partition', 'echo "{\\"id\\":\\"2\\",\\"token\\":\\"7\\"}"'],
    ['one that it was not asked for', 'echo "{\\"id\\":\\"0\\",\\"token\\":\\"7\\"}"'],
    ['what is no partition', 'echo "{\\"id\\":\\"\\",\\"token\\":\\"7\\"}"'],
    ['an older token', 'echo "{\\"id\\":\\"1\\",\\"token\\":\\"6\\"}"'],
    [
      'an earlier hand-over with the same token',
      'echo "{\\"id\\":\\"1\\",\\"token\\":\\"7\\",\\"since\\":\\"then\\"}"',
    ],
    ['a token that is no text', 'echo "{\\"id\\":\\"1\\",\\"token\\":7}"'],
  ]
  for (const [what, line] of lies) {
    it(`is not believed when it confirms ${what}`, async t => {
      const { place, first } = await stubborn(t, `${line} >>"$WATCHBILL_CONFIRMATIONS"`, { grace: 300 })
      const begun = bootClock()
      assert.deepEqual(await place.stop(['1']), ['1'])
      assert.ok(bootClock() - begun >= 300, 'the grace period was waited for')
      assert.equal(isAlive(first), false)
      if (what !== 'half a line') assert.match(readFileSync(place.files.log, 'utf8'), /ignores 1 lines of the worker/)
    })
  }

  it('is not believed what it said before it was asked', async t => {
    const { place, first } = await stubborn(t, ':', { grace: 300 })
    writeFileSync(place.files.worker.confirmations, `${readFact(place.files.partition('1').handed)}\n`)
    await place.stop(['1'])
    assert.equal(isAlive(first), false)
    assert.match(readFileSync(place.files.log, 'utf8'), /ignores 1 lines of the worker/)
  })

  it('that crashed needs to confirm nothing: the next process never had it', async t => {
    const { place } = await stubborn(t, 'kill -9 $$', { grace: 20_000 })
    await until('1 to be gone', () => place.stop(['1']), { deadline: 5000 })
    assert.ok(localFacts(place.files, null, bootClock()).get('0')?.shepherd, 'the shepherd is the same')
  })

  it('whose shepherd was killed is replaced, and nothing of the old one is left', async t => {
    const place = example(t)
    const starts = [place.acquire('0'), place.acquire('1')]
    await place.start(...starts)
    await runs(place, '0', '1')
    const first = parseProcess(await place.process())
    process.kill(Number(readLine(place.files.worker.shepherd)?.split(' ')[0]), 'SIGKILL')
    await until('that to be seen', () => localFacts(place.files, null, bootClock()).get('0')?.shepherd === null)
    await place.start(...starts)
    assert.equal(first && isAlive(first), false)
    await until('another process', async () => (await place.process()) !== `${first?.pid} ${first?.start}`)
    await runs(place, '0', '1')
    assert.deepEqual(overlaps(await place.beats()), [])
  })

  it('starts one anew that is to be restarted, with the same token', async t => {
    const place = example(t)
    const starts = [place.acquire('0'), place.acquire('1')]
    await place.start(...starts)
    await runs(place, '0', '1')
    const first = await place.process()
    assert.deepEqual(await place.stop(['1'], { keeps: true }), ['1'])
    await place.start(...starts.slice(1))
    await until('it to run again', async () => new Set((await place.beats()).map(({ pid }) => pid)).size === 3)
    await runs(place, '0', '1')
    assert.equal(await place.process(), first)
    assert.deepEqual(overlaps(await place.beats()), [])
  })

  for (const killed of [false, true]) {
    it(`gives up what is to have a process of its own by now${killed ? ', although it is gone itself' : ''}`, async t => {
      const place = example(t)
      const starts = [place.acquire('0'), place.acquire('1')]
      await place.start(...starts)
      await runs(place, '0', '1')
      if (killed) process.kill(Number(readLine(place.files.worker.shepherd)?.split(' ')[0]), 'SIGKILL')
      await place.startAlone(['/bin/sh', beating, place.journal], ...starts.slice(1))
      const own = place.files.partition('1')
      const alone = await until('its own process', () => parseProcess(readLine(own.process)))
      assert.equal(existsSync(own.handed), false)
      assert.deepEqual(await place.stop(['1']), ['1'])
      assert.equal(isAlive(alone), false)
      assert.deepEqual(overlaps(await place.beats()), [])
    })
  }

  it('is stopped by its shepherd alone when the lease of one partition is over', async t => {
    const { place, first } = await stubborn(t, ':', { lease: 1500, grace: 300 })
    const keep = setInterval(() => writeFileSync(place.files.lease, `${bootId()} ${bootClock()}\n`), 100)
    const lost = bootClock()
    writePartitionLease(place.files.partition('1'), { from: never, own: lost })
    assert.equal(partitionLease(place.files.worker)?.from, never)
    const gone = until('it to be gone', () => !isAlive(first), { deadline: 1500 + 300 + 1000, every: 10 })
    await gone.finally(() => clearInterval(keep))
    assert.ok(bootClock() - lost >= 1480) // the shepherd's clock has steps of 10 ms, and is rounded up
    const says = () => /^stopp(ing|ed): the lease is over$/.test(readLine(place.files.worker.status) ?? '')
    await until('it to say why', says) // the shepherd writes its sentence in place
  })
})
