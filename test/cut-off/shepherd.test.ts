import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { bootClock, bootId } from '../../lib/base/clock.ts'
import { alive, exitOf, gone, Partition, until } from '../process/partition.ts'

const terms = { lease: 600, grace: 400 }
const politely = "trap 'echo asked; exit 0' TERM; while :; do sleep 0.05; done"

/** A process whose lease is not renewed, with this fact. @returns once the lease is over */
async function leaseOver(t: TestContext, kept: string) {
  const partition = new Partition(t)
  partition.write('kept', kept)
  const shepherd = await partition.running({ ...terms, run: ['sh', '-c', politely] })
  const pid = partition.pid()
  const end = partition.own + terms.lease
  await until('the lease to be over', () => bootClock() > end + terms.grace)
  return { partition, shepherd, pid }
}

describe('a shepherd whose machine is cut off', { concurrency: 4 }, () => {
  it('lets a process go on that its fact keeps, several leases long', async t => {
    const { partition, pid } = await leaseOver(t, `${bootId()} acquisition-1 -\n`)
    const begun = bootClock()
    await until('three more leases', () => bootClock() > begun + 3 * terms.lease)
    assert.ok(alive(pid))
    assert.equal(partition.fact('status'), 'running')
  })

  it('starts such a process again', async t => {
    const { partition, pid } = await leaseOver(t, `${bootId()} acquisition-1 -\n`)
    process.kill(pid, 'SIGKILL')
    await until('another one to run', () => partition.fact('status') === 'running' && partition.pid() !== pid)
  })

  for (const [what, kept] of [
    ['of another boot', 'another-boot acquisition-1 -\n'],
    ['of another acquisition', `${bootId()} acquisition-2 -\n`],
    ['that is empty', ''],
    ['of garbage', 'acquisition-1\n'],
  ] as const) {
    it(`ends a process with its lease for a fact ${what}`, async t => {
      const { pid } = await leaseOver(t, kept)
      await gone(pid)
    })
  }

  it('gives it its grace period once the guard has ended its lease and removed the fact', async t => {
    const { partition, shepherd, pid } = await leaseOver(t, `${bootId()} acquisition-1 -\n`)
    partition.write('lease', `9999999999999 ${bootClock() - terms.lease}\n`)
    rmSync(join(partition.dir, 'kept'))
    process.kill(shepherd.pid as number, 'SIGURG')
    await gone(pid)
    await exitOf(shepherd)
    assert.equal(partition.fact('status'), 'stopped: the lease is over')
    assert.ok(partition.output().includes('asked'))
  })

  it('gives it its grace period when it is asked to stop', async t => {
    const { partition, shepherd, pid } = await leaseOver(t, `${bootId()} acquisition-1 -\n`)
    process.kill(shepherd.pid as number, 'SIGTERM')
    await gone(pid)
    await exitOf(shepherd)
    assert.ok(partition.output().includes('asked'))
  })
})
