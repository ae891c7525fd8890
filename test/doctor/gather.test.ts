import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { addressFrom } from '../../lib/consul/address.ts'
import { agentFactsFrom } from '../../lib/doctor/gather/agent.ts'
import { agentPid, unitIn, userOf } from '../../lib/doctor/gather/machine.ts'
import { stateFacts } from '../../lib/doctor/gather/state.ts'
import { directory } from '../fixtures/state.ts'

describe('the unit', () => {
  const cases: [string, string, string | null][] = [
    ['cgroup v2', '0::/system.slice/consul.service\n', 'consul.service'],
    ['cgroup v1', '3:cpu,cpuacct:/\n1:name=systemd:/system.slice/consul.service\n', 'consul.service'],
    ['a part of a unit', '0::/system.slice/consul.service/agent\n', 'consul.service'],
    ['a unit of a user', '0::/user.slice/user-0.slice/user@0.service/app.slice/my-consul.service', 'my-consul.service'],
    ['a container', '0::/\n', null],
    ['nothing to read', '', null],
  ]
  for (const [what, text, unit] of cases) it(`of ${what}`, () => assert.equal(unitIn(text), unit))
})

describe('the process behind an address', () => {
  it('is who listens there', async t => {
    const server = createServer()
    t.after(() => server.close())
    const socket = join(directory(t), 'a.sock')
    const unix = createServer()
    t.after(() => unix.close())
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    await new Promise<void>(resolve => unix.listen(socket, resolve))
    const { port } = server.address() as { port: number }
    assert.equal(agentPid(addressFrom({ CONSUL_HTTP_ADDR: `127.0.0.1:${port}` })), process.pid)
    assert.equal(agentPid(addressFrom({ CONSUL_HTTP_ADDR: `unix://${socket}` })), process.pid)
    assert.equal(userOf(process.pid), process.getuid?.())
  })

  it('is nobody where nobody listens', () => {
    assert.equal(agentPid(addressFrom({ CONSUL_HTTP_ADDR: '127.0.0.1:9' })), null)
    assert.equal(agentPid(addressFrom({ CONSUL_HTTP_ADDR: 'unix:///nonexistent' })), null)
  })
})

describe('what the agent tells', () => {
  const of = (DebugConfig: object, Stats = {}) =>
    agentFactsFrom({ Config: { NodeName: 'n', Version: '1.8.7' }, DebugConfig: { ...DebugConfig }, Stats }, [])

  it('may be nothing', () => {
    const { localScripts, leaveOnTerminate, skipLeaveOnInterrupt, gossip, acl, encrypted } = of({})
    const told = [localScripts, leaveOnTerminate, skipLeaveOnInterrupt, gossip, acl, encrypted]
    assert.deepEqual(told, [null, null, null, null, null, null])
  })

  it('is named otherwise in other versions', () => {
    const before = of({ ACLsEnabled: true, ACLDefaultPolicy: 'deny' })
    const since = of({ ACLsEnabled: true, ACLResolverSettings: { ACLDefaultPolicy: 'deny' } })
    assert.deepEqual([before.acl, since.acl], Array(2).fill({ enabled: true, policy: 'deny' }))
  })

  it('is the gossip, and whether it is encrypted', () => {
    const facts = of(
      { GossipLANProbeInterval: '500ms', GossipLANSuspicionMult: 3 },
      { serf_lan: { encrypted: 'true' } },
    )
    assert.deepEqual([facts.gossip, facts.encrypted], [{ probeMs: 500, suspicion: 3 }, true])
  })
})

it('a state directory that is not there is told from one that is', t => {
  const here = stateFacts(directory(t))
  assert.deepEqual([here.uid, here.mode], [process.getuid?.(), 0o700])
  assert.ok(here.freeBytes > 0)
  assert.equal(stateFacts('/nonexistent').uid, null)
  assert.equal(stateFacts('/dev/shm').fileSystem, 'memory')
})
