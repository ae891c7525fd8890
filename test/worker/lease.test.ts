import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { describe, it, type TestContext } from 'node:test'
import { bootClock, bootId } from '../../lib/base/clock.ts'
import { processOf } from '../../lib/machine/identity.ts'
import { exclusively } from '../../lib/state/exclusively.ts'
import { makeDirectory, removeFact, writeFact } from '../../lib/state/facts.ts'
import { extendLease, never, partitionLease, writeLease } from '../../lib/state/lease.ts'
import { partitionFiles } from '../../lib/state/partition-paths.ts'
import { lengthen, measure, shorten, writePartitionLeases } from '../../lib/state/worker-lease.ts'
import { partitionIn, stateOf } from '../fixtures/state.ts'

/** An instance whose worker has these partitions, with these leases, in ms before now. */
function place(t: TestContext, ...leases: [from: number, own: number][]) {
  const now = bootClock()
  const files = stateOf(t)
  makeDirectory(files.worker.directory)
  const at = (ago: number) => (ago === never ? never : now - ago)
  const partitions = leases.map(([from, own], id) => {
    const partition = partitionIn(files, String(id))
    writeFact(partition.handed, `the line of ${id}`)
    writeLease(partition, { from: at(from), own: at(own) })
    return partition
  })
  const check = (ago: number) => extendLease(files, at(ago), now)
  const lease = () => {
    const found = partitionLease(files.worker)
    return found && [found.from === never ? never : now - found.from, now - found.own]
  }
  const set = (partition: number, from: number, own: number) =>
    writePartitionLeases([[partitions[partition] ?? assert.fail(), { from: at(from), own: at(own) }]])
  return { worker: files.worker, check, lease, set, at }
}

describe("the worker's lease", () => {
  it('is the shortest of those of its partitions', t => {
    const { worker, lease } = place(t, [5000, 5000], [3000, 4000], [6000, 2000])
    measure(worker)
    assert.deepEqual(lease(), [3000, 5000])
  })

  it('is extended by a check that knew of all of them, with nothing else to do', t => {
    const { worker, check, lease } = place(t, [5000, 5000], [3000, 4000])
    measure(worker)
    check(2000)
    lengthen(worker, bootClock() - 2000)
    assert.deepEqual(lease(), [3000, 5000], 'which the shepherd counts from the check')
  })

  it('is extended by what a check has proved, although others are newer than the check', t => {
    const { worker, check, lease, at } = place(t, [9000, 9000], [500, 600])
    check(5000)
    writeLease(worker, { from: at(9000), own: at(9000) })
    shorten(worker, [{ from: at(500), own: at(600) }])
    assert.deepEqual(lease(), [500, 5000])
    check(700)
    lengthen(worker, at(700))
    assert.deepEqual(lease(), [500, 700])
  })

  it('does not outlast one that was lost, whatever the checks extend', t => {
    const { worker, check, lease, set, at } = place(t, [9000, 9000], [9000, 9000])
    measure(worker)
    check(4000)
    set(1, never, 4000)
    assert.deepEqual(lease(), [never, 4000])
    check(1000)
    lengthen(worker, at(1000))
    assert.deepEqual(lease(), [never, 4000])
    set(1, 1000, 1000)
    lengthen(worker, at(1000))
    assert.deepEqual(lease(), [1000, 1000])
  })

  it('ends with that of one that is handed over while the loss of its lock is written down', t => {
    const { worker, check, lease, at } = place(t, [9000, 9000])
    measure(worker)
    check(4000)
    const late = partitionFiles(`${worker.instance}/partition/late`)
    makeDirectory(late.directory)
    writeLease(late, { from: at(9000), own: at(9000) })
    // A handler is at it: it has read the lease, and writes the rest before it lets go.
    const other = spawn('sleep', ['1000'])
    t.after(() => other.kill('SIGKILL'))
    const { pid, start } = processOf(other.pid as number) ?? assert.fail()
    const holder = `${worker.lock}/${pid}-${start}`
    makeDirectory(worker.lock)
    writeFact(holder, `${bootId()} other -`)
    t.mock.method(Atomics, 'wait', () => {
      writeFact(late.handed, 'its line')
      removeFact(holder)
    })
    writePartitionLeases([[late, { from: never, own: at(4000) }]])
    assert.deepEqual(lease(), [never, 4000])
  })

  it('keeps nobody waiting who writes down a lease that is no shorter than before', t => {
    const { worker, set } = place(t, [never, never], [9000, 9000])
    const locked = (partition: number, from: number, own: number) =>
      exclusively(worker, () => set(partition, from, own))
    locked(0, 100, 200) // an acquisition that was written down before its transaction, and is held now
    locked(1, 9000, 100)
    const waits = t.mock.method(Atomics, 'wait', () => 'timed-out')
    for (const [from, own] of [
      [100, 300],
      [never, 200],
      [100, never],
    ] as const)
      assert.throws(() => locked(0, from, own), /cannot lock/)
    assert.ok(waits.mock.callCount() > 0)
  })

  it('is over when that of a partition cannot be read', t => {
    const { worker } = place(t, [9000, 9000])
    writeFact(`${worker.instance}/partition/0/lease`, 'garbage')
    measure(worker)
    assert.deepEqual(partitionLease(worker), { from: never, own: 0 })
  })
})
