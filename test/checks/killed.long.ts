import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { enter, settled, stage } from '../cluster/stage.ts'
import type { Agent } from '../lab/cluster.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { until } from '../lab/until.ts'
import { hookTo, toldIn } from './hooks.ts'

const partitions = 10
const flips = 10

/** The programs that look after the checks of an agent's instance. */
function attendants(agent: Agent): number[] {
  return readdirSync('/proc').flatMap(pid => {
    if (!/^\d+$/.test(pid)) return []
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'latin1')
      return line.includes('/attend.cjs\0') && line.includes(agent.state) ? [Number(pid)] : []
    } catch {
      return []
    }
  })
}

describe('100 transitions that last, while whoever looks after them is killed at random', () => {
  it('are all told of; what is told again has the same id, and that is no more often than it was killed', async t => {
    const cluster = await clusterFor(t, { clients: 0 })
    const s1 = cluster.agent('s1')
    const file = join(cluster.root, 'told')
    const sick = join(cluster.root, 'sick')
    writeFileSync(sick, '')
    const work = stage(cluster, 'work', 'beating', {
      partitions: { range: [0, partitions - 1] },
      checks: [
        {
          name: 'well',
          command: ['/bin/sh', '-c', `test ! -s ${sick} || exit 2`],
          interval: '1s',
          timeout: '10s', // a busy machine is no sick one
          onFailure: hookTo(file),
          onPass: hookTo(file),
        },
      ],
    })
    await enter(work, [s1])
    await settled(work, [s1])
    let kills = 0
    let over = false
    const killing = (async () => {
      while (!over) {
        for (const pid of attendants(s1)) {
          if (Math.random() < 0.5) continue
          try {
            process.kill(pid, 'SIGKILL')
            kills++
          } catch {
            // It ended by itself.
          }
        }
        await pause(20 + Math.random() * 500)
      }
    })()
    try {
      for (let flip = 1; flip <= flips; flip++) {
        writeFileSync(sick, flip % 2 === 1 ? 'sick' : '')
        await until(
          `flip ${flip} to be told of every partition`,
          async see => {
            const ids = new Set(toldIn(file).map(({ EventID }) => EventID))
            return see(ids.size) === flip * partitions
          },
          { deadline: 60_000 },
        )
      }
    } finally {
      over = true
      await killing
    }
    const told = toldIn(file)
    const ids = new Set(told.map(({ EventID }) => EventID))
    t.diagnostic(`${ids.size} transitions, told ${told.length} times, ${kills} kills`)
    assert.equal(ids.size, partitions * flips)
    assert.ok(kills >= 10, `it was killed only ${kills} times`)
    assert.ok(told.length - ids.size <= kills, 'more was told again than was killed')
    for (let id = 0; id < partitions; id++) {
      const own = told.filter(({ Partition }) => Partition === String(id))
      const once = own.filter((one, at) => own.findIndex(({ EventID }) => EventID === one.EventID) === at)
      assert.deepEqual(
        once.map(({ Event }) => Event),
        Array.from({ length: flips }, (_, at) => (at % 2 === 0 ? 'onFailure' : 'onPass')),
      )
    }
  })
})
