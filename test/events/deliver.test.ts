import assert from 'node:assert/strict'
import fs, { existsSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { announceRelease } from '../../lib/act/announce.ts'
import { bootClock } from '../../lib/base/clock.ts'
import { keysOf } from '../../lib/base/names.ts'
import { base64, transact } from '../../lib/consul/kv.ts'
import type { Definition } from '../../lib/definition/definition.ts'
import { deliver } from '../../lib/hooks/deliver.ts'
import { Earlier, stillTelling } from '../../lib/hooks/earlier.ts'
import type { Event } from '../../lib/hooks/event.ts'
import { tellLifecycle } from '../../lib/hooks/lifecycle.ts'
import { isAnythingWaiting, waiting } from '../../lib/hooks/queue.ts'
import { tellReleased } from '../../lib/hooks/released.ts'
import { readFact, removeFact, writeFact } from '../../lib/state/facts.ts'
import { localFacts } from '../../lib/state/local.ts'
import { toldIn } from '../checks/hooks.ts'
import { me, other, definition as plain } from '../fixtures/cluster.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { contextOf, directory, partitionIn, stateOf } from '../fixtures/state.ts'
import { until } from '../lab/until.ts'

const keys = keysOf('svc')
const events = ['acquired', 'started', 'exited', 'releasing', 'released'] as const

/** An instance whose hooks write what they are told; `over` are other commands for some of them. */
async function hooked(t: TestContext, over: Definition['hooks'] = {}) {
  const fake = await fakeConsul(t)
  const files = stateOf(t)
  const file = join(directory(t), 'told')
  const hook = ['/bin/sh', join(import.meta.dirname, 'slow-hook.sh'), file, '0.01']
  const definition = { ...plain, hooks: { ...Object.fromEntries(events.map(event => [event, hook])), ...over } }
  const context = contextOf(fake.consul, files)
  const partition = partitionIn(files, '0')
  return {
    ...{ fake, files, file, definition, context, partition },
    acquire(acquisition: string, token: string) {
      writeFact(partition.acquisition, acquisition)
      writeFact(partition.token, token)
      writeFact(partition.index, token)
    },
    look: () => tellLifecycle(context, definition, localFacts(files, null, 0)),
    giveBack(why = 'its lock was given back') {
      tellReleased(context, definition, '0', why)
      for (const fact of [partition.acquisition, partition.token, partition.index, partition.told]) removeFact(fact)
    },
    deliver: () => deliver({ ...context, service: 'svc' }, definition),
    told: () => toldIn(file).map(({ Event, Token }) => `${Event} ${Token}`),
  }
}

describe('what is told of a partition', () => {
  it('is told whole also when it was given back before anybody looked', async t => {
    const one = await hooked(t)
    one.acquire('a1', '7')
    writeFileSync(one.partition.process, '4711 99\n')
    one.giveBack()
    one.acquire('a2', '9')
    one.giveBack()
    await one.deliver()
    assert.deepEqual(one.told(), ['acquired 7', 'started 7', 'released 7', 'acquired 9', 'started 9', 'released 9'])
  })

  it('is nothing where a lock was wanted, and never taken', async t => {
    const one = await hooked(t)
    writeFact(one.partition.acquisition, 'a1')
    one.giveBack('its lock is held by another')
    assert.equal(isAnythingWaiting(one.files), false)
  })

  it('comes after what was told before that could not be told at once', async t => {
    const broken = join(directory(t), 'broken')
    const one = await hooked(t)
    const fails = ['/bin/sh', '-c', `test ! -e ${broken} && exec "$@"`, 'sh', ...(one.definition.hooks.acquired ?? [])]
    one.definition.hooks.acquired = fails
    writeFileSync(broken, '')
    one.acquire('a1', '7')
    one.look()
    one.giveBack()
    await one.deliver()
    assert.deepEqual(one.told(), [])
    assert.equal(waiting(one.files)[0]?.failures, 1)
    assert.ok(Number(readFact(one.files.eventsDue)) > 0, 'it is not due before the next try')
  })

  it('is told before the stop that it comes before, with all that happened until then', async t => {
    const one = await hooked(t)
    one.acquire('a1', '7')
    await announceRelease(one.context, one.definition, ['0'])
    assert.deepEqual(one.told(), ['acquired 7', 'releasing 7'])
    await announceRelease(one.context, one.definition, ['0']) // the stop is tried again
    one.look()
    one.giveBack()
    await one.deliver()
    assert.deepEqual(one.told(), ['acquired 7', 'releasing 7', 'released 7'])
  })

  it('is told after the stop when what came before takes too long, and no stop waits for a hook that failed', async t => {
    const one = await hooked(t, { acquired: ['/bin/sh', '-c', 'exit 3'] })
    one.acquire('a1', '7')
    const begun = performance.now()
    await announceRelease(one.context, one.definition, ['0'])
    const took = performance.now() - begun
    assert.ok(took < 7000, `it took ${took} ms`)
    assert.match(one.context.logged.join('\n'), /releasing of 0: not told in time/)
    assert.deepEqual(
      waiting(one.files).map(({ event }) => event.event),
      ['acquired', 'releasing'],
    )
  })

  it('waits until the instance that it came from has told its part', async t => {
    const one = await hooked(t)
    await one.context.consul.request('PUT', `/v1/kv/${keys.telling('0', '7')}`, {
      body: JSON.stringify({ instance: other }),
    })
    one.acquire('a1', '9')
    one.look()
    let over = false
    const delivery = one.deliver().finally(() => {
      over = true
    })
    const asked = () => one.fake.requests.filter(({ body }) => body.includes('telling/')).length
    await until('it to have asked twice', see => see(asked()) >= 2)
    assert.deepEqual([one.told(), over], [[], false])
    await one.context.consul.request('DELETE', `/v1/kv/${keys.telling('0', '7')}`)
    await delivery
    assert.deepEqual(one.told(), ['acquired 9'])
  })

  it('waits once for an instance that takes part no longer, and removes what it had still to tell', async t => {
    const one = await hooked(t)
    const left = keys.telling('0', '7')
    await one.context.consul.request('PUT', `/v1/kv/${left}`, { body: JSON.stringify({ instance: other }) })
    one.acquire('a1', '9')
    one.look()
    await one.deliver()
    assert.deepEqual(one.told(), ['acquired 9'])
    assert.equal(one.fake.memory.keys.has(left), false)
  })

  it('waits for nobody whose turn comes later, and says itself when all is told', async t => {
    const one = await hooked(t)
    for (const [token, instance] of [
      ['11', other],
      ['7', me],
    ]) {
      const { Key, Value = '' } = stillTelling(keys, instance as string, '0', token as string)
      await one.context.consul.request('PUT', `/v1/kv/${Key}`, { body: Buffer.from(Value, 'base64').toString() })
    }
    one.acquire('a1', '7')
    one.giveBack()
    await one.deliver()
    assert.deepEqual(one.told(), ['acquired 7', 'released 7'])
    assert.deepEqual([...one.fake.memory.keys.keys()], [keys.telling('0', '11')])
  })

  it('is told without Consul too, if later', async t => {
    const one = await hooked(t)
    one.fake.script = () => ({ status: 500, text: 'No cluster leader' })
    one.acquire('a1', '7')
    one.look()
    one.giveBack()
    await one.deliver()
    assert.deepEqual(one.told(), ['acquired 7', 'released 7'])
    assert.equal(existsSync(one.partition.told), false)
  })
})

it('what an instance that takes part has still to tell stays, however long others have waited for it', async t => {
  const { fake, context } = await hooked(t)
  const left = keys.telling('0', '7')
  const Session = fake.memory.session('s1', 'n2', 'slow')
  await transact(context.consul, [
    stillTelling(keys, other, '0', '7'),
    { Verb: 'lock', Key: keys.member(other), Value: base64('{}'), Session },
  ])
  const earlier = new Earlier(context, keys)
  const acquired = { event: 'acquired', partition: '0', details: { Token: '9' } } as unknown as Event
  const now = bootClock()
  await earlier.look()
  assert.equal(earlier.isTold(acquired, 0), false)
  t.mock.method(fs, 'readFileSync', () => `${(now + 3_600_000) / 1000} 0`)
  syncBuiltinESMExports()
  const told = earlier.isTold(acquired, 0)
  t.mock.restoreAll()
  syncBuiltinESMExports()
  await earlier.removeAbandoned()
  assert.deepEqual([told, fake.memory.keys.has(left)], [true, true])
})
