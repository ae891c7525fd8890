import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keysOf } from '../../lib/base/names.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { install, program } from '../lab/install.ts'
import { until } from '../lab/until.ts'
import { enter, faultless, settled, stage, statusOf } from './stage.ts'

const keys = keysOf('work')
const odd = ['a/b', 'ü', '.', '%2e', ';rm', 'é'.repeat(100)]
/** An older release has them; Consul's agents from 1.22 on take no keys of them. */
const refusable = ['x y', '..', 'z/../y']

test('odd partition ids run like any other, and can be removed and added', async t => {
  const cluster = await clusterFor(t, { clients: 0 })
  const [agent] = cluster.agents as [(typeof cluster.agents)[0]]
  const work = stage(cluster, 'work', 'beating', { partitions: { list: odd } })
  for (const id of refusable) {
    await agent.api('PUT', `/v1/kv/${encodeURI(keys.partition(id))}`, '{"from":"hand"}')
    await agent.api('PUT', `/v1/kv/${encodeURI(keys.lock(id))}`, '{"clean":true}')
  }
  await enter(work, [agent])
  await settled(work, [agent])
  await faultless(work, [...odd, ...refusable])

  const partitions = (...words: string[]) => program('partitions', ['work', ...words, '--http-addr', agent.http])
  const count = async () => (await statusOf(agent, 'work')).partitions.length
  await partitions('remove', 'a/b', '..')
  await until('two fewer', async () => (await count()) === odd.length + 1)
  await partitions('add', 'a/b')
  await assert.rejects(partitions('add', '..'), /take no key that holds "\.\."; use another name: "\.\." \(such as /)
  assert.match(await partitions('rename', 'x y', 'x-y'), /^renamed x y to x-y; now say x-y in the definition/)
  assert.match(await partitions('rename', 'z/../y', 'z'), /^renamed/)
  const { advice } = await settled(work, [agent])
  assert.equal(advice, null)
  await faultless(work, [...odd, 'x-y', 'z'])
})

test('two instances of a service share one agent, a-1 and a-10 among them', async t => {
  const cluster = await clusterFor(t, { clients: 0 })
  const [agent] = cluster.agents as [(typeof cluster.agents)[0]]
  const work = stage(cluster, 'a', 'beating', { partitions: { range: [0, 5] } })
  for (const id of ['a-1', 'a-10', 'a-2']) await install(agent, { ...work.definition, id })
  const status = await until(
    'two partitions on each',
    async see => {
      const status = await statusOf(agent, 'a')
      see(status.summary)
      return status.ok && status.instances.length === 3 && status.instances.every(({ held }) => held === 2) && status
    },
    { deadline: 40_000 },
  )
  assert.deepEqual(
    status.instances.map(({ instance }) => instance),
    ['s1:a-1', 's1:a-10', 's1:a-2'],
  )
  await faultless(work, ['0', '1', '2', '3', '4', '5'])
})
