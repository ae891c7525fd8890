import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import { type Process, processOf } from '../../lib/machine/identity.ts'
import { writeFact } from '../../lib/state/facts.ts'
import { clockStep, never, writeLease } from '../../lib/state/lease.ts'
import { localFacts, localOf } from '../../lib/state/local.ts'
import { locals } from '../fixtures/cluster.ts'
import { partitionIn, stateOf } from '../fixtures/state.ts'
import { until } from '../lab/until.ts'

const self = processOf(process.pid) as Process
const line = ({ pid, start }: Process) => `${pid} ${start}\n`

describe('what is known of a partition here', () => {
  it('is nothing in an empty directory', t => {
    const partition = partitionIn(stateOf(t), '0')
    assert.deepEqual(localOf(partition, 500, 1000), locals.idle({ home: partition.directory }))
  })

  it('is what the facts say', t => {
    const partition = partitionIn(stateOf(t), '0')
    for (const [fact, text] of [
      [partition.acquisition, 'a1'],
      [partition.releasing, 'a0'],
      [partition.index, '107'],
      [partition.token, '100'],
      [partition.terms, '10000 3000'],
      [partition.status, 'running'],
    ] as const)
      writeFact(fact, text)
    writeLease(partition, { from: 400, own: 300 })
    for (const file of [partition.shepherd, partition.process]) writeFileSync(file, line(self))
    assert.deepEqual(localOf(partition, 500, 1000), {
      acquisition: 'a1',
      releasing: 'a0',
      index: 107,
      token: '100',
      proof: 500,
      pinned: false,
      aheadOfClock: false,
      whole: true,
      leaseRuns: true,
      shepherd: self,
      stopped: false,
      process: self,
      home: partition.directory,
      status: 'running',
      restart: false,
      stays: null,
      terms: { lease: 10_000, grace: 3000 },
    })
  })

  const gone: [string, string][] = [
    ['that is gone', '4194304 5\n'],
    ['whose pid is now another’s', `${self.pid} ${Number(self.start) + 1}\n`],
    ['that is only half written', `${self.pid} ${self.start}`],
    ['that was blanked', ''],
    ['without its start time', `${self.pid}\n`],
    ['with pid 0', `0 ${self.start}\n`],
    ['with pid -1', `-1 ${self.start}\n`],
  ]
  for (const [what, text] of gone) {
    it(`counts a shepherd or a process ${what} as gone`, t => {
      const partition = partitionIn(stateOf(t), '0')
      for (const file of [partition.shepherd, partition.process]) writeFileSync(file, text)
      const { shepherd, process } = localOf(partition, null, 1000)
      assert.deepEqual([shepherd, process], [null, null])
    })
  }

  it('counts one that was just launched as its shepherd, until that has written its own name', t => {
    const partition = partitionIn(stateOf(t), '0')
    writeFact(partition.launched, line(self).trimEnd())
    assert.deepEqual(localOf(partition, null, 1000).shepherd, self)
    writeFact(partition.launched, `${self.pid} ${Number(self.start) + 1}`)
    assert.equal(localOf(partition, null, 1000).shepherd, null)
    writeFileSync(partition.shepherd, line(self))
    assert.deepEqual(localOf(partition, null, 1000).shepherd, self)
  })

  it('tells a shepherd that is held by a SIGSTOP', async t => {
    const partition = partitionIn(stateOf(t), '0')
    const child = spawn('sleep', ['60'])
    t.after(() => child.kill('SIGKILL'))
    const found = await until('the child', () => processOf(child.pid as number), { deadline: 2000, every: 5 })
    writeFileSync(partition.shepherd, line(found))
    assert.equal(localOf(partition, null, 1000).stopped, false)
    child.kill('SIGSTOP')
    await until('it to stop', () => localOf(partition, null, 1000).stopped, { deadline: 2000, every: 5 })
    assert.deepEqual(localOf(partition, null, 1000).shepherd, found, 'it is alive all the same')
  })

  for (const index of ['', 'x', '-1', '1.5', '1e3', '0x10', '1 2']) {
    it(`has no index when it says "${index}"`, t => {
      const partition = partitionIn(stateOf(t), '0')
      writeFact(partition.index, index)
      assert.equal(localOf(partition, null, 1000).index, null)
    })
  }

  for (const terms of ['', '10000', '10000 ', '10s 3s', '10000 3000 1', '-1 3000', '1e4 3000']) {
    it(`has no terms, and no lease, when they say "${terms}"`, t => {
      const partition = partitionIn(stateOf(t), '0')
      writeFact(partition.terms, terms)
      writeLease(partition, { from: 1, own: 1 })
      const local = localOf(partition, 999, 1000)
      assert.deepEqual([local.terms, local.leaseRuns], [null, false])
    })
  }

  it('has the lease that was written since the look began; one that lies ahead is none', t => {
    const partition = partitionIn(stateOf(t), '0')
    const began = bootClock() - 1000
    writeFact(partition.terms, '10000 3000')
    for (const [own, proof] of [
      [began + 500, began + 500],
      [began + 1_000_000, null],
      [never, null],
    ] as const) {
      writeLease(partition, { from: began + 600, own })
      assert.equal(localOf(partition, null, began).proof, proof)
    }
  })

  it('tells a lease that lies ahead of the clock, as when the clock began anew', t => {
    const partition = partitionIn(stateOf(t), '0')
    const began = bootClock() - 1000
    for (const [from, own, ahead] of [
      [began - 500, began - 500, false],
      [began + 500, began + 500, false], // claimed since the look began
      [bootClock() + clockStep, began, false],
      [bootClock() + 60_000, began, true],
      [began, bootClock() + 60_000, true],
      [never, bootClock() + 60_000, true],
      [never, began, false],
      [never, never, false],
    ] as const) {
      writeLease(partition, { from, own })
      assert.equal(localOf(partition, null, began).aheadOfClock, ahead, `${from} ${own}`)
    }
  })

  it('that is pinned has only its own lease', t => {
    const partition = partitionIn(stateOf(t), '0')
    writeFact(partition.terms, '10000 3000')
    writeLease(partition, { from: never, own: 300 })
    const { pinned, proof, leaseRuns } = localOf(partition, 9000, 10_300)
    assert.deepEqual([pinned, proof, leaseRuns], [true, 300, false])
  })

  it('that cannot be read is a failure, not nothing', t => {
    const partition = partitionIn(stateOf(t), '0')
    mkdirSync(partition.acquisition)
    assert.throws(() => localOf(partition, null, 1000), { name: 'Temporary' })
  })
})

it('all partitions are told that have a directory here', t => {
  const files = stateOf(t)
  for (const id of ['0', 'a/b']) partitionIn(files, id)
  assert.deepEqual([...localFacts(files, null, 1000).keys()].sort(), ['0', 'a/b'])
})
