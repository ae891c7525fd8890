/**
 * Every answer of Consul's that lib reads, made hostile: whatever comes, it is read, or refused in one line, and nothing
 * that is not an answer looks like an empty one.
 */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import fc from 'fast-check'
import { passOn } from '../../lib/act/documents.ts'
import { renew } from '../../lib/act/renew.ts'
import { keysOf, lockKeysOf } from '../../lib/base/names.ts'
import type { Consul } from '../../lib/consul/http.ts'
import { registeredInstances } from '../../lib/consul/instances.ts'
import { entriesAt, indexBelow, keysBelow, transact, trees } from '../../lib/consul/kv.ts'
import { createSession, renewSession, sessionsOn } from '../../lib/consul/session.ts'
import { takeDuty } from '../../lib/keys/duty.ts'
import { askedValue, eventsKey, eventsValue } from '../../lib/keys/events.ts'
import { healthKey } from '../../lib/keys/health.ts'
import { heldValue } from '../../lib/keys/lock.ts'
import { memberValue } from '../../lib/keys/member.ts'
import { addPartitions, readPartitions } from '../../lib/keys/partition-set.ts'
import { changeSettings } from '../../lib/keys/settings.ts'
import { listLines, listLocks } from '../../lib/lock/list.ts'
import { waiterName } from '../../lib/lock/waiting.ts'
import { lookAtCluster } from '../../lib/look/read-cluster.ts'
import { readEvents } from '../../lib/operate/events/read.ts'
import { readStatus } from '../../lib/operate/status/status.ts'
import { plan } from '../../lib/plan/plan.ts'
import { assign } from '../../lib/roster/assignment.ts'
import { eventOf } from '../../lib/state/events.ts'
import { writeFact } from '../../lib/state/facts.ts'
import { localFacts } from '../../lib/state/local.ts'
import { definition, heldBy, locals, me, other, snapshotOf } from '../fixtures/cluster.ts'
import { fakeConsul, type Request } from '../fixtures/consul.ts'
import { harmless } from '../fixtures/harmless.ts'
import { contextOf, partitionIn, stateOf } from '../fixtures/state.ts'
import { garbage } from '../model/hostile.ts'
import { runs } from '../model/runs.ts'

const keys = keysOf('svc')

/** A service with two instances and two partitions, of which one is held. */
async function service(t: TestContext) {
  const fake = await fakeConsul(t)
  const { memory } = fake
  for (const node of ['a', 'b']) {
    memory.session(`session of ${node}`, node, `watchbill ${node}:svc`)
    memory.nodes.set(node, { serfHealth: 'passing', services: new Map([['svc', { name: 'svc', status: 'passing' }]]) })
    memory.lock(keys.member(`${node}:svc`), `session of ${node}`, memberValue(node, definition, 'digest'))
  }
  memory.put(keys.revision, '{}')
  memory.put(keys.settings, '{"drained":[],"epoch":0}')
  for (const id of ['0', '1']) memory.put(keys.partition(id), '{"from":"definition"}')
  memory.lock(keys.lock('0'), 'session of a', heldValue(heldBy(me)))
  memory.put(keys.report(other), '{"1":"backing off: exit 1"}')
  memory.put(eventsKey('svc', other), eventsValue([], [eventOf({ what: 'joined', index: 7 }, 'k')]))
  memory.put(keys.event('k'), askedValue(eventOf({ what: 'held', partitions: ['1'] }, 'k'), 'ann@desk'))
  memory.put(healthKey('svc', me), '{"at":"2026-01-01T00:00:00Z","leftOut":0,"partitions":{"0":[9,1,1,0]}}')
  const lock = lockKeysOf('deploy')
  memory.put(lock.spec, '{"slots":1,"lease":10000,"grace":3000,"epoch":0}')
  memory.lock(lock.slot(0), 'session of b', heldValue(heldBy(me)))
  memory.session('who waits', 'b', waiterName({ root: lock.root, by: 'web:1', since: '2030-01-01' }))
  memory.put(
    keys.proposal(other),
    '{"change":"a1","removes":1,"removed":["1"],"adds":0,"added":[],"since":"2026-01-01"}',
  )
  return fake
}

type Reader = (consul: Consul, t: TestContext) => Promise<unknown>

/** An instance that has assumed a lock. */
function guardedBy(consul: Consul, t: TestContext) {
  const files = stateOf(t)
  writeFact(files.session, 'session of a')
  const partition = partitionIn(files, '0')
  for (const [name, text] of Object.entries({ acquisition: 'x', index: '5' }))
    writeFact(partition[name as 'index'], text)
  const here = { consul, service: 'svc', serviceId: 'svc', instance: me, node: 'a', definitionFile: '/nowhere', files }
  return renew(here, localFacts(files, null, 1_000_000), 1_000_000)
}

const readers: Record<string, Reader> = {
  readEvents: consul => readEvents(consul, { service: 'svc' }),
  keysBelow: consul => keysBelow(consul, keys.partitions),
  indexBelow: consul => indexBelow(consul, keys.members),
  trees: consul => trees(consul, [keys.locks]),
  transact: consul => transact(consul, [{ Verb: 'set', Key: keys.joined, Value: '' }]),
  registeredInstances: consul => registeredInstances(consul, 'svc'),
  createSession: consul => createSession(consul, me, 'svc-guard'),
  renewSession: consul => renewSession(consul, 'session of a', 'a'),
  sessionsOn: consul => sessionsOn(consul, 'a'),
  readPartitions: consul => readPartitions(consul, keys),
  addPartitions: consul => addPartitions(consul, keys, [{ id: '2' }], 'hand'),
  takeDuty: consul => takeDuty(consul, keys, me, 'session of a'),
  entriesAt: consul => entriesAt(consul, [keys.revision, keys.partition('0')]),
  passOn: (consul, t) => {
    const context = contextOf(consul, stateOf(t))
    return passOn(context, snapshotOf({ documentsIndex: 7, local: new Map([['0', locals.running()]]) }))
  },
  changeSettings: consul => changeSettings(consul, keys, settings => ({ ...settings, drained: [me] })),
  readStatus: consul => readStatus(consul, 'svc'),
  listLocks: async consul => {
    const { locks } = await listLocks(consul, null)
    for (const line of listLines(locks, null)) assert.match(line, harmless)
  },
  renew: guardedBy,
  plan: async consul => {
    const cluster = await lookAtCluster(consul, 'svc')
    const local = new Map([['0', locals.running()]])
    return plan({ ...snapshotOf(), ...cluster, local }, assign(cluster).placed)
  },
}

interface Hostile {
  /** Which of its requests. */
  readonly nth: number
  readonly status: number
  readonly index: boolean
  /** Of what it would have been. */
  readonly text: (valid: unknown) => string
}

const hostile: fc.Arbitrary<Hostile> = fc.record({
  nth: fc.nat(2),
  status: fc.constantFrom(200, 200, 200, 200, 404, 409, 403, 500, 301, 429),
  index: fc.boolean(),
  text: fc.func(fc.noShrink(fc.nat())).map(pick => (valid: unknown) => {
    const seed = pick(JSON.stringify(valid))
    return fc.sample(garbage(valid), { seed, numRuns: 1 })[0] as string
  }),
})

/** @throws AssertionError when it is anything but a refusal in one line */
function assertRefusal(error: unknown): void {
  const { name, message, stack } = error as Error
  assert.ok(name === 'Temporary' || name === 'Permanent', stack)
  assert.match(message, /^(cannot [^\n]+|an? [^\n]+)$/)
}

describe('a hostile answer', { concurrency: 1 }, () => {
  for (const [name, read] of Object.entries(readers)) {
    it(`is read by ${name}, or refused in one line`, async t => {
      const fake = await service(t)
      await fc.assert(
        fc.asyncProperty(hostile, async ({ nth, status, index, text }) => {
          let requests = 0
          fake.script = (request: Request) => {
            if (requests++ !== nth) return undefined
            const reply = { status, text: text(fake.memory.answer(request).text ?? '') }
            return index ? reply : { ...reply, index: null }
          }
          await read(fake.consul, t).catch(assertRefusal)
        }),
        runs(60),
      )
    })
  }

  it('never looks like an empty one', async t => {
    const fake = await service(t)
    const lists = { keysBelow, trees: (consul: Consul) => trees(consul, [keys.locks]), registeredInstances, sessionsOn }
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...Object.keys(lists)), hostile, async (name, { status, index, text }) => {
        let sent: string | null = null
        fake.script = request => {
          const answer = text(fake.memory.answer(request).text ?? '')
          sent ??= answer // the list; what is asked afterwards is whether the token may see all of it
          return { status, text: answer, ...(index ? {} : { index: null }) }
        }
        const read = lists[name as keyof typeof lists] as (consul: Consul, what: string) => Promise<unknown[]>
        const found = await read(fake.consul, name === 'registeredInstances' ? 'svc' : keys.partitions).catch(
          () => null,
        )
        const told =
          status === 404
            ? name === 'keysBelow' && index
            : /^\s*(\[\]|\{.*"Results":(\[\]|null)[,}].*)\s*$/s.test(sent ?? '')
        if (found?.length === 0) assert.ok(told, `${name}: ${status} ${sent}`)
      }),
      runs(400),
    )
  })

  it('that does not end is given up', async t => {
    const fake = await fakeConsul(t)
    fake.script = () => ({ text: 'x'.repeat(300 * 1024 * 1024) })
    await assert.rejects(trees(fake.consul, [keys.locks]), {
      name: 'Temporary',
      message: /more than 256 MiB|no answer/,
    })
  })
})

describe('hostile values below the service', { concurrency: 1 }, () => {
  it('are planned with, and told of, without a character that acts on a terminal', async t => {
    const fake = await service(t)
    const values: [string, unknown][] = [
      [keys.lock('0'), heldBy(me)],
      [keys.lock('1'), { clean: true, next: other }],
      [keys.member(other), JSON.parse(memberValue('b', definition, 'digest'))],
      [keys.settings, { drained: [other], epoch: 1 }],
      [keys.report(other), { 1: 'backing off: exit 1' }],
      [keys.partition('1'), { from: 'definition' }],
    ]
    const change = fc.constantFrom(...values).chain(([key, valid]) => garbage(valid).map(text => ({ key, text })))
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async changes => {
        for (const { key, text } of changes) {
          const before = fake.memory.keys.get(key)
          fake.memory.put(key, text)
          // Believable, as if it were written under the lock.
          const raw = fake.memory.keys.get(key)
          if (raw) raw.LockIndex = before?.LockIndex ?? 1
        }
        const cluster = await lookAtCluster(fake.consul, 'svc')
        const { placed: assignment, unplaced } = assign(cluster)
        const members = cluster.members.filter(({ absence }) => absence === null)
        for (const holder of assignment.values()) assert.ok(members.some(({ instance }) => instance === holder))
        assert.equal(assignment.size + unplaced.size, cluster.partitions.size, 'each is placed, or there is a reason')
        const free = members.every(({ maxPartitions }) => maxPartitions === null)
        if (free && members.length > 0) assert.equal(assignment.size, cluster.partitions.size, 'each is assigned')
        const { steps, sentence, waits } = plan({ ...snapshotOf(), ...cluster }, assignment)
        for (const step of steps) if ('partition' in step) assert.ok(['0', '1'].includes(step.partition))
        for (const wait of waits.values()) assert.ok(wait >= 0 && wait <= 300_000, `a wait of ${wait} ms`)
        assert.match(sentence, harmless)
        await readStatus(fake.consul, 'svc')
      }),
      runs(300),
    )
  })
})
