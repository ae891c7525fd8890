/** consul.d/: what an agent needs, what makes a failover fast, and a worked example, all at once in a real agent. */
import assert from 'node:assert/strict'
import { copyFileSync, readdirSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { sharedCluster } from '../lab/in-tests.ts'
import { tunedGossip } from '../lab/settings.ts'
import { configure, folder, root } from './run.ts'

// The policies are for `consul acl policy create`.
const files = readdirSync(`${root}/consul.d`).filter(file => file.endsWith('.json'))
const read = (file: string) => readFileSync(`${root}/consul.d/${file}`, 'utf8')

test('the example is what configure makes of examples/first/definition.json', async () => {
  const config = folder()
  copyFileSync(`${root}/examples/first/definition.json`, `${config}/first.json`)
  const { stdout, stderr } = await configure([`${config}/first.json`, '--stdout', '--node', 'node-1'], {
    CONSUL_HTTP_ADDR: '127.0.0.1:8500',
  })
  const made = `${stdout.replaceAll(config, '/etc/watchbill')}\n`
  assert.equal(read('example.json'), made, `${stderr}; put configure's output into consul.d/example.json`)
})

test('the tuned gossip is the one that the tests run with', () => {
  assert.deepEqual(JSON.parse(read('fast-failover.json')), tunedGossip)
})

describe('a real agent', () => {
  const settings = Object.assign({}, ...files.map(file => JSON.parse(read(file))))
  const cluster = sharedCluster({ servers: 1, clients: 0, settings: { ...settings, watches: [] } })

  test('takes every file there', async () => {
    const agent = cluster().agent('s1')
    const { DebugConfig: now } = await agent.api<{ DebugConfig: Record<string, unknown> }>('GET', '/v1/agent/self')
    assert.deepEqual([now.EnableLocalScriptChecks, now.LeaveOnTerm, now.SkipLeaveOnInt], [true, false, true])
    assert.deepEqual([now.GossipLANProbeInterval, now.GossipLANGossipNodes], ['500ms', 4])
    assert.ok('first-guard' in (await agent.api<object>('GET', '/v1/agent/checks')))
  })
})
