import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { type Ending, endAll } from '../../lib/act/give-back.ts'
import type { Operation } from '../../lib/consul/operation.ts'
import { reactionsTo } from '../../lib/hooks/event.ts'
import { done, waiting } from '../../lib/hooks/queue.ts'
import { heldValue } from '../../lib/keys/lock.ts'
import type { Snapshot } from '../../lib/look/snapshot.ts'
import { isAlive, type Process, processOf, signal } from '../../lib/machine/identity.ts'
import { readFact, writeFact } from '../../lib/state/facts.ts'
import { definition, heldBy, me, other, sessionOf, snapshotOf, third } from '../fixtures/cluster.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { contextOf, partitionIn, stateOf } from '../fixtures/state.ts'
import { until } from '../lab/until.ts'

const { keys } = snapshotOf()

/** An instance that holds these locks. */
async function holding(t: TestContext, ids: readonly string[], token = '') {
  const fake = await fakeConsul(t, 2000, token)
  const { memory } = fake
  memory.session(sessionOf(me), 'a')
  const files = stateOf(t)
  for (const id of ids) {
    const partition = partitionIn(files, id)
    const index = memory.lock(keys.lock(id), sessionOf(me), heldValue(heldBy(me)))
    for (const fact of [partition.index, partition.token]) writeFact(fact, String(index))
    writeFact(partition.acquisition, heldBy(me).acquisition)
    writeFact(partition.terms, '10000 3000')
    writeFact(partition.lease, '1 1')
  }
  const indexOf = (id: string) => memory.keys.get(keys.lock(id))?.ModifyIndex ?? 0
  const release = (partition: string, over: Partial<Extract<Ending, { do: 'release' }>> = {}): Ending => ({
    do: 'release',
    partition,
    index: indexOf(partition),
    held: true,
    next: null,
    removed: false,
    ...over,
  })
  const end = (endings: readonly Ending[], over: Partial<Snapshot> = {}) =>
    endAll(contextOf(fake.consul, files), snapshotOf({ partitions: new Set(ids), ...over }), endings)
  const left = (id: string) => {
    const { acquisition, releasing, index, token, lease, terms, shepherd, process } = files.partition(id)
    return [acquisition, releasing, index, token, lease, terms, shepherd, process].filter(existsSync)
  }
  return {
    fake,
    memory,
    files,
    indexOf,
    release,
    end,
    left,
    value: (id: string) => memory.value(keys.lock(id)),
    holder: (id: string) => memory.keys.get(keys.lock(id))?.Session,
  }
}

/** A process that a shepherd wrote down and left behind, which takes its time to stop. */
async function leftBehind(t: TestContext, file: string): Promise<Process> {
  const child = spawn('/bin/sh', ['-c', 'trap "sleep 0.3; exit" TERM; echo up; while :; do sleep 0.05; done'], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const found = processOf(child.pid as number) as Process
  t.after(() => signal(found, 'SIGKILL', true))
  await new Promise(resolve => child.stdout.once('data', resolve))
  writeFileSync(file, `${found.pid} ${found.start}\n`)
  return found
}

describe('giving a lock back', () => {
  it('is not done while its process does not die: that is told once, and done once it is gone', async t => {
    // As in an uninterruptible wait of the kernel: no signal arrives.
    const kill = t.mock.method(process, 'kill', () => true)
    t.after(() => kill.mock.restore())
    const { end, release, fake, files, holder } = await holding(t, ['0', '1'])
    const stuck = await leftBehind(t, files.partition('0').process)
    const hooks = { stopFailed: ['page'] }
    const impatient = { ...definition, hooks, stop: { ...definition.stop, graceMs: 0 } }
    writeFact(files.partition('0').terms, '10000 0')
    for (const told of [['stopFailed of 0'], []]) {
      const attempt = end([release('0'), release('1')], { definition: impatient })
      await assert.rejects(attempt, { message: /^cannot stop 0: SIGKILL did not help/ })
      const wanted = waiting(files).filter(({ event }) => reactionsTo(impatient, event).length > 0)
      assert.deepEqual(
        wanted.map(({ event }) => `${event.event} of ${event.partition}`),
        told,
      )
      for (const one of waiting(files)) done(files, one)
    }
    assert.deepEqual([holder('0'), holder('1')], [sessionOf(me), undefined])
    kill.mock.restore()
    signal(stuck, 'SIGKILL', true)
    fake.requests.length = 0
    await end([release('0')], { definition: impatient })
    assert.equal(holder('0'), undefined)
  })

  it('is done although its program made directories in the place of its files', async t => {
    const { end, release, files, holder, left } = await holding(t, ['0', '1'])
    const { metrics, ready } = files.partition('0')
    for (const place of [metrics, ready]) mkdirSync(`${place}/deep`, { recursive: true })
    await end([release('0'), release('1')])
    assert.deepEqual([holder('0'), holder('1'), left('0'), left('1')], [undefined, undefined, [], []])
    assert.ok(!existsSync(metrics) && !existsSync(ready))
    assert.match(readFact(files.partition('0').status) ?? '', /^not here/)
  })

  it('leaves it free and clean, wakes the next, and forgets all that was of the acquisition', async t => {
    const { end, release, value, holder, left, memory, files } = await holding(t, ['0'])
    await end([release('0', { next: other })])
    assert.equal(holder('0'), undefined)
    const { clean, instance } = value('0') as Record<string, unknown>
    assert.deepEqual([clean, instance], [true, me])
    assert.equal((memory.value(`${keys.wake(other)}released`) as { from: string }).from, me)
    assert.deepEqual(left('0'), [])
    assert.equal(readFact(files.partition('0').status), 'not here: its lock was given back')
  })

  const removed: [when: string, wait: (releasing: string) => Promise<unknown>][] = [
    ['before its process is told to stop', async () => {}],
    ['while its process stops', releasing => until('the stop', () => existsSync(releasing), { every: 2 })],
  ]
  for (const [when, wait] of removed) {
    it(`never leaves it clean when the state directory is removed ${when}: nobody knows what still runs`, async t => {
      const { end, release, value, files } = await holding(t, ['0', '1'])
      await leftBehind(t, files.partition('0').process)
      const ending = end([release('0', { next: other }), release('1')])
      await wait(files.partition('0').releasing)
      rmSync(files.directory, { recursive: true })
      // Nothing can be written there any more: what was not given back is left to the next look.
      await ending.catch(error => assert.match(error.message, /its directory is missing/))
      for (const id of ['0', '1']) assert.notEqual((value(id) as { clean?: unknown }).clean, true, id)
    })
  }

  it('wakes the next in the very transaction', async t => {
    const { end, release, fake } = await holding(t, ['0', '1', '2'])
    await end([release('0', { next: other }), release('1', { next: third }), release('2', { next: other })])
    assert.equal(fake.requests.length, 1)
    const woken = (fake.requests[0]?.operations ?? [])
      .filter(({ Verb }: Operation) => Verb === 'set')
      .map(({ Key }) => Key)
    assert.deepEqual(woken.sort(), [`${keys.wake(other)}released`, `${keys.wake(third)}released`])
  })

  it('happens only after its process is gone', async t => {
    const { end, release, fake, files, holder } = await holding(t, ['0', '1'])
    const process = await leftBehind(t, files.partition('0').process)
    const alive: boolean[] = []
    fake.script = ({ operations }) => {
      if (operations.some(({ Key }) => Key === keys.lock('0'))) alive.push(isAlive(process))
      return undefined
    }
    await end([release('0'), release('1')])
    assert.deepEqual(alive, [false])
    assert.deepEqual([holder('0'), holder('1')], [undefined, undefined])
  })

  it('does not wait for the slowest of several', async t => {
    const { end, release, fake, files } = await holding(t, ['0', '1'])
    await leftBehind(t, files.partition('0').process)
    await end([release('0'), release('1')])
    const locks = (operations: readonly Operation[]) =>
      new Set(operations.map(({ Key }) => Key).filter(key => key.startsWith(keys.locks)))
    assert.deepEqual(
      fake.requests.map(({ operations }) => [...locks(operations)]),
      [[keys.lock('1')], [keys.lock('0')]],
    )
  })

  it('takes the acquisition away before anything is stopped, so that nothing can be started', async t => {
    const { end, release, files } = await holding(t, ['0'])
    const partition = files.partition('0')
    await leftBehind(t, partition.process)
    const ending = end([release('0')])
    await until('the release to begin', () => existsSync(partition.releasing), { deadline: 2000, every: 5 })
    assert.equal(existsSync(partition.acquisition), false)
    await ending
  })

  it('whose answer is lost is known as begun', async t => {
    const { end, release, fake, files } = await holding(t, ['0'])
    fake.script = () => ({ status: 500, text: 'no leader' })
    const told = { definition: { ...definition, hooks: { stopFailed: ['page'] } } }
    await assert.rejects(end([release('0')], told), { name: 'Temporary' })
    assert.deepEqual(waiting(files), [], 'it did stop')
    const { acquisition, releasing } = files.partition('0')
    assert.deepEqual([readFact(acquisition), readFact(releasing)], [null, heldBy(me).acquisition])
  })

  it("never touches what is another session's", async t => {
    const { end, release, memory, holder, files, value } = await holding(t, ['0', '1'])
    const endings = [release('0', { next: other }), release('1')]
    memory.keys.delete(keys.lock('0'))
    memory.lock(keys.lock('0'), memory.session('s2', 'b'), '{}')
    await end(endings)
    assert.deepEqual([holder('0'), value('0'), holder('1')], ['s2', {}, undefined])
    assert.equal(readFact(files.partition('0').releasing), heldBy(me).acquisition, 'the next look decides')
    assert.equal(memory.keys.has(`${keys.wake(other)}released`), false, 'nobody is woken for nothing')
  })

  it('of a removed partition deletes it, and the directory', async t => {
    const { end, release, memory, files } = await holding(t, ['0'])
    await end([release('0', { removed: true })], { partitions: new Set() })
    assert.equal(memory.keys.has(keys.lock('0')), false)
    assert.equal(existsSync(files.partition('0').directory), false)
  })

  it('of a removed partition leaves it when it changed meanwhile', async t => {
    const { end, release, memory, indexOf } = await holding(t, ['0'])
    const ending = release('0', { removed: true })
    const index = memory.put(keys.lock('0'), 'x')
    await end([ending], { partitions: new Set() })
    assert.equal(indexOf('0'), index)
  })

  it('wakes at most eight in a transaction, and fits', async t => {
    const ids = Array.from({ length: 60 }, (_, id) => String(id))
    const { end, release, fake, holder } = await holding(t, ids)
    await end(ids.map(id => release(id, { next: `${id}:svc` })))
    assert.ok(fake.requests.every(({ operations }) => operations.length <= 64))
    assert.ok(ids.every(id => holder(id) === undefined))
  })
})

describe('a token that may not give back', () => {
  const cases: [string, (key: string) => boolean, string][] = [
    ['a lock', key => key === keys.lock('0'), 'key_prefix "watchbill/svc/lock/" write'],
    ['nor wake the next', key => key.startsWith(keys.wake(other)), 'key_prefix "watchbill/svc/wake/" write'],
  ]
  for (const [what, denied, missing] of cases) {
    it(`${what} stops only what it must`, async t => {
      const { end, release, memory, files, holder } = await holding(t, ['0', '1'], 'secret')
      const [kept, lost] = [
        await leftBehind(t, files.partition('0').process),
        await leftBehind(t, files.partition('1').process),
      ]
      memory.denied = denied
      const endings: Ending[] = [release('0', { next: other }), { do: 'stop', partition: '1', why: 'its lock is lost' }]
      await assert.rejects(end(endings), { missing })
      assert.deepEqual([isAlive(kept), isAlive(lost), holder('0')], [true, false, sessionOf(me)])
    })
  }
})

describe('a lock that is not its own', () => {
  it('is given back unclean, and wakes who is to wait for it', async t => {
    const { end, value, holder, fake, indexOf } = await holding(t, ['0', '1'])
    await end([
      { do: 'disown', partition: '0', index: indexOf('0'), next: null },
      { do: 'disown', partition: '1', index: indexOf('1'), next: other },
    ])
    assert.deepEqual([holder('0'), holder('1')], [undefined, undefined])
    assert.equal((value('0') as Record<string, unknown>).clean, false)
    const woken = fake.requests.flatMap(({ operations }) => operations.filter(({ Verb }) => Verb === 'set'))
    assert.deepEqual(
      woken.map(({ Key }) => Key),
      [`${keys.wake(other)}released`],
    )
  })

  it('that is lost is left alone: what runs is stopped, and forgotten', async t => {
    const { end, fake, files, left } = await holding(t, ['0'])
    const process = await leftBehind(t, files.partition('0').process)
    await end([{ do: 'stop', partition: '0', why: 'its lock is lost' }])
    assert.equal(isAlive(process), false)
    assert.equal(fake.requests.length, 0)
    assert.deepEqual(left('0'), [])
    assert.equal(readFact(files.partition('0').status), 'not here: its lock is lost')
  })
})
