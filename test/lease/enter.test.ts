import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { enter } from '../../lib/act/enter.ts'
import { sessionName } from '../../lib/consul/session.ts'
import { memberValue } from '../../lib/keys/member.ts'
import type { Snapshot } from '../../lib/look/snapshot.ts'
import { readFact, writeFact } from '../../lib/state/facts.ts'
import { definition, digest, locals, me, other, snapshotOf } from '../fixtures/cluster.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { contextOf, stateOf } from '../fixtures/state.ts'

const { keys } = snapshotOf()

async function entering(t: TestContext) {
  const fake = await fakeConsul(t)
  const files = stateOf(t)
  const context = contextOf(fake.consul, files)
  const { memory } = fake
  return {
    fake,
    memory,
    files,
    enter: (over: Partial<Snapshot> = {}) => enter(context, snapshotOf(over)),
    holder: () => memory.keys.get(keys.member(me))?.Session,
  }
}

describe('taking part', () => {
  it('makes a session, writes it down, and takes the member key with it', async t => {
    const { enter, files, holder, memory } = await entering(t)
    await enter()
    const session = readFact(files.session)
    assert.equal(holder(), session)
    assert.deepEqual(memory.value(keys.member(me)), JSON.parse(memberValue('a', definition, digest)))
    assert.equal((memory.value(keys.joined) as { instance: string }).instance, me, 'everyone is told')
  })

  it('says so when something of it runs already', async t => {
    const { enter, memory } = await entering(t)
    await enter({
      local: new Map([
        ['0', locals.idle()],
        ['1', locals.running()],
      ]),
    })
    assert.equal((memory.value(keys.member(me)) as { holds?: boolean }).holds, true)
  })

  it('asks for a session without lock-delay, with a time to live, that hangs on the node and the guard', async t => {
    const { enter, fake } = await entering(t)
    await enter()
    const create = fake.requests.find(({ path }) => path === '/v1/session/create')
    assert.deepEqual(JSON.parse(create?.body ?? ''), {
      Name: sessionName(me),
      LockDelay: '0s',
      Behavior: 'release',
      TTL: '30s',
      NodeChecks: ['serfHealth'],
      ServiceChecks: [{ ID: 'svc-guard' }],
    })
  })

  it('goes on with a session that lives on this node', async t => {
    const { enter, files, holder, memory } = await entering(t)
    writeFact(files.session, memory.session('s1', 'a', sessionName(me)))
    await enter()
    assert.equal(holder(), 's1')
    assert.equal(memory.sessions.size, 1)
  })

  for (const [what, node] of [
    ["another node's", 'b'],
    ['one that is gone', null],
  ] as const) {
    it(`never uses ${what}`, async t => {
      const { enter, files, holder, memory } = await entering(t)
      writeFact(files.session, 's1')
      if (node !== null) memory.session('s1', node, sessionName(me))
      await enter()
      assert.notEqual(holder(), 's1')
      assert.equal(holder(), readFact(files.session))
    })
  }

  it('destroys the older sessions of this instance on this node, and no others', async t => {
    const { enter, memory } = await entering(t)
    memory.session('older', 'a', sessionName(me))
    memory.session('elsewhere', 'b', sessionName(me))
    memory.session('another instance', 'a', sessionName(other))
    memory.session('another instance, longer', 'a', `${sessionName(me)}2`)
    await enter()
    assert.deepEqual(
      ['older', 'elsewhere', 'another instance', 'another instance, longer'].filter(id => memory.sessions.has(id)),
      ['elsewhere', 'another instance', 'another instance, longer'],
    )
  })

  it('fails when another session holds its member key, and frees it from an older life', async t => {
    const { enter, files, holder, memory } = await entering(t)
    writeFact(files.session, memory.session('s1', 'a', sessionName(me)))
    memory.lock(keys.member(me), memory.session('older', 'a', sessionName(me)))
    await assert.rejects(enter(), { name: 'Temporary', message: /another session holds its member key/ })
    assert.equal(memory.sessions.has('older'), false)
    await enter()
    assert.equal(holder(), 's1')
  })

  for (const reply of [{ status: 500, text: 'check critical' }, { text: '{}' }, { text: 'null' }, { text: '<html>' }]) {
    it(`writes no session down when Consul answers ${JSON.stringify(reply)}`, async t => {
      const { enter, fake, files } = await entering(t)
      fake.script = ({ path }) => (path === '/v1/session/create' ? reply : undefined)
      await assert.rejects(enter(), { name: 'Temporary' })
      assert.equal(readFact(files.session), null)
    })
  }

  it('destroys nothing when it cannot tell which sessions there are', async t => {
    const { enter, fake, memory } = await entering(t)
    memory.session('older', 'a', sessionName(me))
    fake.script = ({ path }) => (path.startsWith('/v1/session/node') ? { text: 'null' } : undefined)
    await assert.rejects(enter(), { name: 'Temporary' })
    assert.equal(memory.sessions.size, 1)
  })
})

describe('on a node that was renamed', () => {
  /** The agent that is asked calls itself otherwise. */
  async function renamed(t: TestContext) {
    const entered = await entering(t)
    const { fake, memory } = entered
    let made = 0
    fake.script = ({ path }) => {
      if (path !== '/v1/session/create') return undefined
      return { text: { ID: memory.session(`made-${++made}`, 'ax', sessionName(me)) } }
    }
    return { ...entered, made: () => made }
  }
  const misplaced = {
    name: 'Permanent',
    message: `cannot take part as ${me}: it is configured for a, and this node is ax; run configure, then consul reload`,
  }

  it('it does not take part, says what to do, and makes one session only', async t => {
    const { enter, holder, made } = await renamed(t)
    for (let n = 0; n < 3; n++) await assert.rejects(enter(), misplaced)
    assert.equal(holder(), undefined)
    assert.equal(made(), 1)
  })

  it('it takes part when the node has its name again', async t => {
    const { enter, fake, files, holder, memory } = await renamed(t)
    await assert.rejects(enter(), misplaced)
    memory.destroy('made-1')
    fake.script = () => undefined
    await enter()
    assert.equal(holder(), readFact(files.session))
    assert.equal(readFact(files.misplaced), null)
  })

  it('what stood in its report is gone once it takes part under the new name', async t => {
    const { enter, memory } = await entering(t)
    memory.put(keys.report(me), '{"":"cannot take part"}')
    await enter()
    assert.equal(memory.value(keys.report(me)), null)
  })
})
