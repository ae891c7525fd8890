import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { keysOf } from '../../lib/base/names.ts'
import { heldValue } from '../../lib/keys/lock.ts'
import { memberValue } from '../../lib/keys/member.ts'
import { renamed } from '../../lib/operate/partitions/rename.ts'
import { definition, heldBy, me, sessionOf } from '../fixtures/cluster.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { behaviours } from '../model/versions.ts'

const keys = keysOf('svc')
const old = 'tenant one'

/** A service in which `a:svc` runs the old one; it gives it back as soon as it is held, `onHeld` said otherwise. */
async function service(t: TestContext, onHeld: 'clean' | 'lost' | 'goes on' = 'clean') {
  const fake = await fakeConsul(t)
  const { memory } = fake
  const session = memory.session(sessionOf(me), 'a')
  memory.nodes.set('a', { serfHealth: 'passing', services: new Map([['svc', { name: 'svc', status: 'passing' }]]) })
  memory.lock(keys.member(me), session, memberValue('a', definition, 'digest'))
  memory.put(keys.revision, '{}')
  memory.put(keys.partition(old), '{"from":"source","document":{"url":"ws://x"}}')
  memory.lock(keys.lock(old), session, heldValue(heldBy(me, { lease: 300, grace: 100 })))
  memory.onWrite = changed => {
    if (!changed.includes(keys.settings) || onHeld === 'goes on') return
    if (!(memory.value(keys.settings) as { held: string[] }).held.includes(old)) return
    const Key = keys.lock(old)
    const Value = Buffer.from('{"clean":true}').toString('base64')
    queueMicrotask(() => {
      if (onHeld === 'lost') memory.destroy(session)
      else memory.transact([{ Verb: 'unlock', Key, Session: session, Value }])
    })
  }
  const rename = (to = 'tenant-one', more = {}) =>
    renamed(fake.consul, 'svc', [old, to], { limit: 5000, dryRun: false, ...more })
  const held = () => (memory.value(keys.settings) as { held: string[] } | null)?.held
  return { ...fake, fake, rename, held, has: (key: string) => memory.keys.has(key) }
}

describe('renaming a partition', () => {
  it('stops the old one, and makes the new one with its document in the transaction that removes it', async t => {
    const { rename, held, has, memory, requests } = await service(t)
    assert.match(
      await rename(),
      /^renamed tenant one to tenant-one; now say tenant-one in the definition or the source/,
    )
    assert.deepEqual([has(keys.partition(old)), has(keys.lock(old)), held()], [false, false, []])
    assert.deepEqual(memory.value(keys.partition('tenant-one')), { from: 'hand', document: { url: 'ws://x' } })
    assert.equal((memory.value(keys.lock('tenant-one')) as { clean: boolean }).clean, true)
    const writes = requests.filter(({ operations }) =>
      operations.some(({ Key }) => Key === keys.partition('tenant-one')),
    )
    assert.equal(writes.length, 1)
    assert.ok(writes[0]?.operations.some(({ Verb, Key }) => Verb === 'delete-cas' && Key === keys.lock(old)))
  })

  it('carries its pin, and the rules stay', async t => {
    const { rename, memory } = await service(t)
    const rules = { only: [{ attribute: 'node', in: ['a'] }] }
    memory.put(keys.placement, JSON.stringify({ rules, pins: { [old]: me, other: me }, digest: 'one' }))
    await rename()
    const found = memory.value(keys.placement) as { rules: { only: unknown }; pins: object; digest: string }
    assert.deepEqual([found.pins, found.digest], [{ 'tenant-one': me, other: me }, 'one'])
    assert.deepEqual(found.rules.only, rules.only)
  })

  it('carries a pin that was set at the last moment', async t => {
    const { rename, memory, has } = await service(t)
    const before = memory.onWrite
    memory.onWrite = changed => {
      before(changed)
      if (changed.includes(keys.lock(old)) && has(keys.lock(old)))
        memory.put(keys.placement, JSON.stringify({ pins: { [old]: me } }))
    }
    await rename()
    assert.deepEqual((memory.value(keys.placement) as { pins: object }).pins, { 'tenant-one': me })
  })

  it('leaves a garbled placement as it is', async t => {
    const { rename, memory } = await service(t)
    memory.put(keys.placement, '{"pins":7}')
    await rename()
    assert.deepEqual(memory.value(keys.placement), { pins: 7 })
  })

  it('leaves alone an unclean lock for the takeover wait of whoever lost it', async t => {
    const { rename, has, memory } = await service(t, 'lost')
    const began = performance.now()
    let removed = 0
    const before = memory.onWrite
    memory.onWrite = changed => {
      before(changed)
      if (changed.includes(keys.lock(old)) && !has(keys.lock(old))) removed = performance.now()
    }
    await rename()
    assert.ok(removed - began >= 1400, `${removed - began} ms after it began`)
  })

  it('that finds it still running ends with the wait; the old one stays held, and no new one is there', async t => {
    const { rename, held, has } = await service(t, 'goes on')
    await assert.rejects(
      rename('new', { limit: 300 }),
      /^Temporary: cannot wait longer: a:svc still has it; it stays held/,
    )
    assert.deepEqual([held(), has(keys.partition(old)), has(keys.partition('new'))], [[old], true, false])
  })

  it('keeps held what was held before', async t => {
    const { rename, held, memory } = await service(t)
    memory.transact([{ Verb: 'unlock', Key: keys.lock(old), Session: sessionOf(me), Value: 'eyJjbGVhbiI6dHJ1ZX0=' }])
    memory.put(keys.settings, JSON.stringify({ held: [old, 'b'], more: 1 }))
    assert.match(await rename(), /it is held as before, watchbill unhold svc tenant-one starts it$/)
    assert.deepEqual(memory.value(keys.settings), { more: 1, drained: [], held: ['b', 'tenant-one'], epoch: 0 })
    assert.deepEqual(held(), ['b', 'tenant-one'])
  })

  const refused: [what: string, to: string, say: RegExp, version?: keyof typeof behaviours][] = [
    ['another such id', 'tenant two', /^Permanent: cannot add 1 partitions: .*"tenant two" \(such as tenant-two\)$/],
    ['one that is there', 'b', /^Permanent: cannot rename tenant one: svc has b too; choose another id$/],
    [
      'what its agent refuses',
      'new',
      /^Permanent: cannot rename .* through this agent: key refused: .*older agent$/,
      '1.22.5',
    ],
  ]
  for (const [what, to, say, version] of refused) {
    it(`is refused for ${what}, and changes nothing`, async t => {
      const { rename, memory, held } = await service(t)
      memory.put(keys.partition('b'), '{"from":"hand"}')
      if (version) memory.behaves = behaviours[version]
      await assert.rejects(rename(to), say)
      assert.equal(held(), undefined)
    })
  }

  it('says what it would do with --dry-run', async t => {
    const { rename, held } = await service(t)
    assert.match(await rename('new', { dryRun: true }), /^would rename tenant one to new;/)
    assert.equal(held(), undefined)
  })
})
