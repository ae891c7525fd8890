import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { lockKeysOf } from '../../lib/base/names.ts'
import type { Entry } from '../../lib/consul/kv.ts'
import { cleanValue, heldValue } from '../../lib/keys/lock.ts'
import { lockSessionName } from '../../lib/lock/contender.ts'
import { listed, listLines } from '../../lib/lock/list.ts'
import { waiterFrom, waiterName } from '../../lib/lock/waiting.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { runProgram } from '../handlers/support/programs.ts'

const at = (minute: number) => `2030-01-01T08:0${minute}:00.000Z`
const held = (instance: string, minute: number) =>
  heldValue({ instance, acquisition: 'a', lease: 10_000, grace: 3000, since: at(minute), version: '' })
const entry = (key: string, value: string, session: string | null = null): Entry => {
  return { key, value, session, createIndex: 1, modifyIndex: 2, lockIndex: 1 }
}
const specOf = (slots: number) => JSON.stringify({ slots, lease: 10_000, grace: 3000, epoch: 0 })
const waits = (name: string, by: string, minute: number) =>
  waiterName({ root: lockKeysOf(name).root, by, since: at(minute) })

describe('the list of locks', () => {
  const [deploy, imports, idle] = ['deploy', 'imports\n2', 'idle'].map(lockKeysOf) as [
    ReturnType<typeof lockKeysOf>,
    ReturnType<typeof lockKeysOf>,
    ReturnType<typeof lockKeysOf>,
  ]
  const entries = [
    entry(deploy.slot(0), held('run #12 (web2:4711)', 1), 's1'),
    entry(deploy.spec, specOf(1)),
    entry(idle.slot(0), cleanValue(at(0))),
    entry(idle.spec, specOf(1)),
    entry(imports.slot(0), held('web1:1', 2), 's2'),
    entry(imports.slot(1), held('web3:3', 3)),
    entry(imports.slot(2), cleanValue(at(0))),
    entry(imports.spec, specOf(3)),
    entry('watchbill/.lock/%zz/spec', specOf(1)),
  ]
  const sessions = [
    lockSessionName(deploy),
    waits('deploy', 'web9:2', 5),
    waits('deploy', 'web8:1', 4),
    waits('another', 'web7:1', 4),
    'watchbill a:svc',
  ]

  it('says who holds, who was lost, and who waits, the longest first', () => {
    assert.deepEqual(listLines(listed(entries, sessions), null), [
      'LOCK          STATE                                         BY                   SINCE',
      'deploy        held                                          run #12 (web2:4711)  2030-01-01T08:01:00.000Z',
      'deploy        waits                                         web8:1               2030-01-01T08:04:00.000Z',
      'deploy        waits                                         web9:2               2030-01-01T08:05:00.000Z',
      '"imports\\n2"  held (slot 0 of 3)                            web1:1               2030-01-01T08:02:00.000Z',
      '"imports\\n2"  lost (slot 1 of 3): can be taken within 14 s  web3:3               2030-01-01T08:03:00.000Z',
    ])
  })

  it('has all of it for programs', () => {
    const [, second, third] = listed(entries, sessions)
    assert.deepEqual(second, { name: 'idle', slots: 1, holders: [], waiters: [] })
    assert.deepEqual(third?.holders[1], {
      ...{ slot: 1, state: 'lost', by: 'web3:3', since: at(3), freeWithin: 14_000 },
    })
  })

  it('tells a lock that is free from one that was never taken', () => {
    const one = entries.filter(({ key }) => key.startsWith(idle.root))
    assert.deepEqual(listLines(listed(one, sessions), 'idle'), ['idle is free'])
    assert.deepEqual(listLines(listed([], sessions), 'idel'), ['idel was never taken'])
    assert.deepEqual(listLines(listed(one, sessions), null), ['no lock is held, and nobody waits for one'])
  })

  it('knows whoever waits by the name of a session, whatever the waiter is called', () => {
    for (const by of ['web:1', 'a: b since c (web:1)']) {
      const waiter = { root: deploy.root, by, since: at(1) }
      assert.deepEqual(waiterFrom(waiterName(waiter)), waiter)
    }
    assert.equal(waiterFrom(lockSessionName(deploy)), null)
  })
})

describe('lock --list', () => {
  async function asked(t: TestContext, ...args: string[]) {
    const { consul, memory } = await fakeConsul(t)
    const keys = lockKeysOf('-deploy')
    memory.put(keys.spec, specOf(1))
    memory.lock(keys.slot(0), memory.session('s1', 'a', lockSessionName(keys)), held('web2:4711', 1))
    memory.session('s2', 'b', waits('-deploy', 'web8:1', 4))
    const ask = () =>
      runProgram('lock', { args: ['--list', ...args], env: { CONSUL_HTTP_ADDR: consul.address.origin } })
    return { ask, memory }
  }

  it('asks Consul', async t => {
    const { ask } = await asked(t, '--json', '--', '-deploy')
    const { code, stdout, stderr } = await ask()
    assert.deepEqual([code, stderr], [0, ''])
    assert.deepEqual(JSON.parse(stdout), [
      {
        ...{ name: '-deploy', slots: 1 },
        holders: [{ slot: 0, by: 'web2:4711', since: at(1), state: 'held' }],
        waiters: [{ by: 'web8:1', since: at(4) }],
      },
    ])
  })

  it('says so when the token may not see those who wait', async t => {
    const { ask, memory } = await asked(t)
    memory.sessions.clear()
    const { code, stdout, stderr } = await ask()
    assert.deepEqual([code, stdout.split('\n').length], [0, 3])
    assert.match(stderr, /^lock: the token may not see every session, .* session_prefix "" read\n$/)
  })

  it('runs nothing', async t => {
    const { ask } = await asked(t, 'deploy', '--', 'true')
    const { code, stderr } = await ask()
    assert.deepEqual([code, /--list runs nothing, and "true" is one argument too many/.test(stderr)], [100, true])
  })
})
