import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { addressFrom } from '../../lib/consul/address.ts'
import { agentFactsFrom } from '../../lib/setup/doctor/gather/agent.ts'
import { clientsOf } from '../../lib/setup/doctor/gather/connections.ts'
import { agentPid, unitIn, userOf } from '../../lib/setup/doctor/gather/machine.ts'
import { stateFacts } from '../../lib/setup/doctor/gather/state.ts'
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

it('connections are counted of the client that has the most', () => {
  const lines = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    '   0: 0100007F:2134 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0',
    '   1: 0100007F:2134 0100007F:A001 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 20 4 30 10 -1',
    '   2: 0100007F:2134 0100007F:A002 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 20 4 30 10 -1',
    '   3: 0100007F:A002 0100007F:2134 01 00000000:00000000 00:00000000 00000000     0        0 4 1 0 20 4 30 10 -1',
    '   4: 0100007F:2134 0200007F:A003 01 00000000:00000000 00:00000000 00000000     0        0 5 1 0 20 4 30 10 -1',
    '   5: 0100007F:2134 0200007F:A004 06 00000000:00000000 00:00000000 00000000     0        0 6 1 0 20 4 30 10 -1',
  ]
  assert.deepEqual(clientsOf(lines.join('\n'), 8500), ['0100007F', '0100007F', '0200007F'])
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

  it('is what cuts and refuses requests', () => {
    const { httpTimeouts, enforcesLimits } = of({ HTTPWriteTimeout: '5m30s', HTTPPort: 8500, RequestLimitsMode: 2 })
    assert.deepEqual([httpTimeouts, enforcesLimits], [[{ name: 'HTTPWriteTimeout', ms: 330_000 }], true])
    assert.equal(of({ RequestLimitsMode: 'enforcing' }).enforcesLimits, true)
    for (const RequestLimitsMode of ['permissive', 0, undefined])
      assert.equal(of({ RequestLimitsMode }).enforcesLimits, false)
  })

  it('is how many connections a client may have', () => {
    assert.deepEqual([of({ HTTPMaxConnsPerClient: 200 }).mostConnections, of({}).mostConnections], [200, null])
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
