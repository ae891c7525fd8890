import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clusterFor } from '../lab/in-tests.ts'
import { program } from '../lab/install.ts'
import { changed, enter, everywhere, neverTwice, settled, stage } from './stage.ts'

test('a fourth instance takes exactly its share, the rest keep their pid, and leaving gives it back', async t => {
  const cluster = await clusterFor(t, { clients: 3 })
  const agents = cluster.agents
  const three = agents.slice(0, 3)
  const work = stage(cluster, 'work', 'quiet', { partitions: { range: [0, 99] } })
  await enter(work, three)
  const first = await settled(work, three)
  assert.deepEqual(first.instances.map(({ held }) => held).sort(), [33, 33, 34])

  const before = everywhere(work, agents)
  await enter(work, agents.slice(3))
  await settled(work, agents)
  const after = everywhere(work, agents)
  assert.equal(changed(before, after).length, 25, 'exactly a quarter moves')

  const [fourth] = agents.slice(3)
  assert.ok(fourth)
  await program('leave', ['work', '--state', fourth.state, '--http-addr', fourth.http])
  await settled(work, three)
  assert.equal(changed(after, everywhere(work, agents)).length, 25, 'exactly those come back')
  await neverTwice(work)
})
