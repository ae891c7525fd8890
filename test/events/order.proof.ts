import { describe, it } from 'node:test'
import type { Agent } from '../lab/cluster.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { backAndForth, judge, slowHooks } from './moves.ts'

const partitions = 100

describe(`${partitions} partitions that are moved back and forth 20 times with a slow hook`, () => {
  it('are told of in the order in which it happened, on whichever machine, and nothing is missing', async t => {
    const cluster = await clusterFor(t, { clients: 1 })
    const moves = slowHooks(cluster, partitions, 0.3)
    await backAndForth(moves, cluster.agents as [Agent, Agent], 20)
    t.diagnostic(`${moves.told().length} told when the last move was over`)
    await judge(moves, partitions, 1_200_000)
    t.diagnostic(`${moves.told().length} told in all`)
  })
})
