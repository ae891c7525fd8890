import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { Lab } from '../faults/lab.ts'
import { missing } from '../faults/needs.ts'
import { handlers } from '../handlers/support/programs.ts'
import { overlaps, readBeats, runs } from '../lab/beats.ts'
import type { Agent } from '../lab/cluster.ts'
import { until } from '../lab/until.ts'
import { Locker, worker } from './locker.ts'

it('never two, when the host of the holder is cut off', async t => {
  const lack = await missing(line => t.diagnostic(line))
  if (lack !== null) return t.skip(`the fault lab cannot run here: ${lack}`)
  const lab = await Lab.start({ clients: 2, gossip: 'tuned', say: line => t.diagnostic(line) })
  const lockers: Locker[] = []
  try {
    const [first, second] = lab.clients as [Agent, Agent]
    const file = join(lab.root, 'lock.beats')
    writeFileSync(file, '')
    const lock = (agent: Agent) => {
      const [entering = process.execPath, ...words] = [
        ...agent.place.enter,
        process.execPath,
        join(handlers, 'lock.ts'),
      ]
      const args = ['job', '--lease', '6s', '--grace', '1s', '--verbose', '--', 'sh', worker, file]
      const locker = new Locker(agent, args, { program: [entering, ...words], env: { PATH: process.env.PATH ?? '' } })
      lockers.push(locker)
      return locker
    }
    const beaten = async () => runs(await readBeats(file))
    const holder = lock(first)
    await until('the first to beat', async () => (await beaten()).length === 1)
    const waiter = lock(second)
    await waiter.said('waiting')

    await lab.lan.unplug(lab.host(first))
    const { code, stderr } = await holder.ended
    assert.equal(code, 111, stderr)
    await until('the second to beat', async see => see((await beaten()).length) === 2, { deadline: 60_000 })
    assert.deepEqual(overlaps(await readBeats(file)), [])
    const [old, next] = await beaten()
    t.diagnostic(`the old one ended ${(next?.from ?? 0) - (old?.to ?? 0)} ms before the next began`)
    await lab.lan.plug(lab.host(first))
  } finally {
    for (const { child } of lockers) child.kill('SIGTERM')
    await lab.close()
  }
})
