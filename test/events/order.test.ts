import { describe, it } from 'node:test'
import type { Agent } from '../lab/cluster.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { backAndForth, judge, slowHooks } from './moves.ts'

const partitions = 12

describe('partitions that are moved back and forth while their hooks take their time', () => {
  it('are told of in the order in which it happened, on whichever machine, and nothing is missing', async t => {
    const cluster = await clusterFor(t, { clients: 1 })
    const moves = slowHooks(cluster, partitions, 0.5)
    await backAndForth(moves, cluster.agents as [Agent, Agent], 3)
    await judge(moves, partitions, 90_000)
  })
})
