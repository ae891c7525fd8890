/** What a real Consul's indexes tell of a change, and whether a guard may leave out a look because of them. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Consul } from '../../lib/consul/http.ts'
import { healthIndex, registeredNow } from '../../lib/consul/instances.ts'
import { changeLine, keysIndex } from '../../lib/look/unchanged.ts'
import { sharedCluster } from '../lab/in-tests.ts'

describe('the line of what may have changed', { concurrency: 1 }, () => {
  const shared = sharedCluster({ clients: 0 })
  const http = () => shared().agent('s1').http
  const consulOf = (env: Record<string, string> = {}) => new Consul({ env: { CONSUL_HTTP_ADDR: http(), ...env } })

  async function put(path: string, body: unknown = 'x'): Promise<string> {
    const consul = consulOf()
    try {
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      return (await consul.request('PUT', `/v1/${path}`, { body: text })).text
    } finally {
      consul.close()
    }
  }

  async function remove(key: string): Promise<void> {
    const consul = consulOf()
    await consul.request('DELETE', `/v1/kv/${key}`)
    consul.close()
  }

  async function line(env?: Record<string, string>): Promise<string> {
    const consul = consulOf(env)
    try {
      const health = await healthIndex(consul, 'svc', { node: 'n1', serviceId: 'svc' })
      if (health !== null) assert.equal((await registeredNow(consul, 'svc')).index, health)
      return changeLine(consul, String(await keysIndex(consul, 'svc')), String(health))
    } finally {
      consul.close()
    }
  }

  const node = { Node: 'n1', Address: '127.0.0.9' }
  const register = (more: object) => put('catalog/register', { ...node, ...more })
  const check = (ID: string, Status: string, ServiceID = '') => ({
    Check: { CheckID: ID, Name: ID, Status, ServiceID },
  })

  let session = ''
  /** In this order: each begins with what those before it have left. */
  const changes: Record<string, () => Promise<unknown>> = {
    'an instance that is registered': () =>
      register({ Service: { ID: 'svc', Service: 'svc' }, ...check('svc-guard', 'passing', 'svc') }),
    'a partition that is added': () => put('kv/watchbill/svc/partition/0'),
    'a lock that is made': () => put('kv/watchbill/svc/lock/0'),
    'a lock that is acquired': async () => {
      session = JSON.parse(await put('session/create', {})).ID
      assert.equal((await put(`kv/watchbill/svc/lock/0?acquire=${session}`)).trim(), 'true')
    },
    'a lock whose session is destroyed': () => put(`session/destroy/${session}`, ''),
    'a lock that is overwritten': () => put('kv/watchbill/svc/lock/0', 'y'),
    'a lock that is deleted': () => remove('watchbill/svc/lock/0'),
    'a lock that is made anew': () => put('kv/watchbill/svc/lock/0'),
    'a member that comes': () => put('kv/watchbill/svc/member/a'),
    'a member that goes': () => remove('watchbill/svc/member/a'),
    settings: () => put('kv/watchbill/svc/spec/settings'),
    'a restart that is asked for': () => put('kv/watchbill/svc/restart/0'),
    'a cool-down': () => put('kv/watchbill/svc/cooldown/0'),
    'a proposal': () => put('kv/watchbill/svc/proposal/a'),
    'a partition that is removed': () => remove('watchbill/svc/partition/0'),
    'a guard that is critical': () => register(check('svc-guard', 'critical', 'svc')),
    'the maintenance of a node': () => register(check('_node_maintenance', 'critical')),
    'a node that is critical': () => register(check('serfHealth', 'critical')),
    'an instance that is deregistered': () => put('catalog/deregister', { Node: 'n1', ServiceID: 'svc' }),
  }
  for (const [what, change] of Object.entries(changes)) {
    it(`is another after ${what}`, async () => {
      const before = await line()
      assert.equal(await line(), before)
      await change()
      assert.notEqual(await line(), before)
    })
  }

  it('is the same whatever happens beside the service', async () => {
    const before = await line()
    await put('kv/watchbill/svc-2/lock/0')
    await put('kv/other')
    await register({ Service: { ID: 'other', Service: 'other' } })
    assert.equal(await line(), before)
  })

  it('is another after a snapshot was restored, and comes back to none that it had before', async () => {
    const snapshot = async (method: string, body?: ArrayBuffer) => {
      const answer = await fetch(`${http()}/v1/snapshot`, { method, body })
      assert.ok(answer.ok, await answer.clone().text())
      return answer.arrayBuffer()
    }
    await put('kv/watchbill/svc/lock/0')
    const saved = await snapshot('GET')
    const seen = [await line()]
    for (const value of ['y', 'z']) {
      await put('kv/watchbill/svc/lock/0', value)
      seen.push(await line())
    }
    await snapshot('PUT', saved)
    assert.ok(!seen.slice(1).includes(await line()))
    for (const value of ['1', '2', '3']) {
      await put('kv/watchbill/svc/lock/0', value)
      assert.ok(!seen.includes(await line()))
    }
  })

  it('is another with another token, which it does not show', async () => {
    const tokens = ['secret-one', 'secret-two']
    const lines = await Promise.all([line(), ...tokens.map(token => line({ CONSUL_HTTP_TOKEN: token }))])
    assert.equal(new Set(lines).size, 3)
    for (const token of tokens) assert.ok(!lines.join().includes(token))
  })
})
