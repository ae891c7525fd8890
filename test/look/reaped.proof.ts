/**
 * How long a real Consul's index tells of a deletion (about 15 minutes): until then it never comes back to what it was, so that
 * a look that stands for the next ones for 5 minutes at most misses none.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Consul } from '../../lib/consul/http.ts'
import { keysIndex } from '../../lib/look/unchanged.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { until } from '../lab/until.ts'

const minute = 60_000

it('a deleted key is told of by the index for longer than a look stands for the next', {
  timeout: 25 * minute,
}, async t => {
  const cluster = await clusterFor(t, { clients: 0 })
  const server = cluster.agent('s1')
  const consul = new Consul({ env: { CONSUL_HTTP_ADDR: server.http } })
  t.after(() => consul.close())
  const index = async () => String(await keysIndex(consul, 'svc'))
  for (const id of ['0', '1', '2']) await server.api('PUT', `/v1/kv/watchbill/svc/lock/${id}`, id)
  const before = await index()
  await server.api('DELETE', '/v1/kv/watchbill/svc/lock/0')
  const deleted = performance.now()
  const told = await index()
  assert.notEqual(told, before)
  const after = await until(
    'the tombstone to be reaped',
    async () => {
      const now = await index()
      return now !== told && now
    },
    { deadline: 20 * minute, every: 1000 },
  )
  const minutes = (performance.now() - deleted) / minute
  t.diagnostic(
    `after ${minutes.toFixed(1)} min the index is ${after}; it was ${before} before the deletion, ${told} after it`,
  )
  assert.ok(minutes > 10, `reaped after ${minutes} min`)
})
