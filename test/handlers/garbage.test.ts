/**
 * Whatever comes in on stdin, from Consul, or stands in Consul's keys: the handlers end with the code and the line that
 * are documented, and no process is stopped by it.
 */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import { freePorts } from '../lab/ports.ts'
import { until } from '../lab/until.ts'
import { type Fault, FaultyConsul, faults } from './support/faulty-consul.ts'
import { checksInput, keyprefixInput, serviceInput } from './support/input.ts'
import { addInstance, handlerLab, type Instance } from './support/instance.ts'
import type { Ended } from './support/programs.ts'

/** A program, the instance it is run for here, and its next input. */
interface Subject {
  readonly program: string
  readonly instance: Instance
  readonly input: () => string | Promise<string>
}

let consul: FaultyConsul
let subjects: Subject[] = []
let guarded: Instance
/** instance -> partition -> pids, before any garbage. */
let running = ''

function instances(): Instance[] {
  return [...subjects.map(({ instance }) => instance), guarded]
}

/** Lets all instances act until each runs its two of the eight partitions. */
async function shareOut(): Promise<void> {
  for (const instance of instances()) assertDone(await act(instance))
  await until('the partitions to be shared out', async see => {
    for (const instance of instances()) assertDone(await act(instance))
    return see(instances().map(instance => instance.running().size)).every(size => size === 2)
  })
}

function act(instance: Instance): Promise<Ended> {
  return instance.run('on-keyprefix', { stdin: keyprefixInput(instance) })
}

function pidsNow(): string {
  return JSON.stringify(instances().map(instance => [...instance.running()].sort()))
}

function assertNothingStopped(): void {
  assert.equal(pidsNow(), running)
}

function assertDone({ code, stdout, stderr }: Ended): void {
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
  assert.doesNotMatch(stdout, /another handler/)
}

/** One line: who, for how long, what cannot be done, why, and what to do next. */
function assertFailed(program: string, { code, stdout, stderr }: Ended, kind: 'permanent' | 'temporary'): void {
  assert.match(stderr, new RegExp(`^${program}: ${kind}: cannot .+?: .+; .+\\n$`))
  assert.deepEqual({ code, stdout }, { code: kind === 'permanent' ? 100 : 111, stdout: '' })
}

const large = JSON.stringify(
  Array.from({ length: 25_000 }, (_, n) => ({
    Key: `watchbill/svc/spec/document-${n}`,
    ModifyIndex: n,
    // A service and a check too, so that every watch takes it.
    Node: { Node: `node-${n}` },
    Service: { ID: 'elsewhere' },
    Checks: [{ CheckID: 'serfHealth', Status: 'passing' }],
    Value: 'x'.repeat(60),
  })),
)
const largeChecks = JSON.stringify(
  Array.from({ length: 30_000 }, (_, n) => ({
    ...{ Node: `node-${n}`, CheckID: `check-${n}`, ServiceID: 'elsewhere', Status: 'passing', Output: 'x'.repeat(80) },
  })),
)

/** What each program does with an input: the code it exits with. */
const inputs: [name: string, text: string | Buffer, codes: Record<string, 0 | 100>][] = [
  ['words', 'what is this', {}],
  ['bytes that are no text', Buffer.from([0, 255, 254, 1, 10, 128]), {}],
  ['null', 'null', { 'on-keyprefix': 0 }],
  ['an empty list', '[]', { 'on-service': 0, 'on-keyprefix': 0, 'on-checks': 0 }],
  ['an object', '{}', {}],
  ['a number', '5', {}],
  ['half a JSON', '[{"Key": "watchbill/svc/spec/revi', {}],
  ['two JSONs', '[][]', {}],
  ['a list of null', '[null]', {}],
  ['a list of numbers', '[1, 2]', {}],
  ['a list of lists', '[[]]', {}],
  ['a list of empty objects', '[{}]', {}],
  ['an instance whose checks are null', '[{"Node":{"Node":"a"},"Service":{"ID":"a"},"Checks":null}]', {}],
  ['brackets without end', '['.repeat(100_000), {}],
  ['5 MB of JSON', large, { 'on-service': 0, 'on-keyprefix': 0 }],
  ['5 MB of checks', largeChecks, { 'on-checks': 0 }],
  ['5 MB of half a JSON', large.slice(0, -1), {}],
]

/** What is denied is denied for good, until somebody changes the token. */
function kindOf(fault: Fault): 'permanent' | 'temporary' {
  return fault === 'denies it' ? 'permanent' : 'temporary'
}

/** One line on stdout, which Consul shows as the check's output. */
function assertPassing({ code, stdout, stderr }: Ended): void {
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
  assert.match(stdout, /^cannot [^\n]+; the lease runs another [^\n]+\n$/)
}

const garbled = [
  'what is this',
  '',
  '{}',
  'null',
  '{"clean":true}',
  '{"clean":',
  '{"instance":"x:y","acquisition":"z"}',
  '5',
]

describe('garbage', { concurrency: 1 }, () => {
  const cluster = handlerLab({ clients: ['a'] })

  before(async () => {
    const agent = cluster().agent('a')
    consul = await FaultyConsul.start(agent.http)
    const partitions = ['0', '1', '2', '3', '4', '5', '6', '7']
    const make = async (id: string) => {
      const instance = await addInstance(agent, { service: 'svc', id, partitions })
      instance.http = consul.http
      return instance
    }
    const [a, b, c, d] = [await make('a'), await make('b'), await make('c'), await make('d')]
    guarded = d
    subjects = [
      { program: 'on-service', instance: a, input: () => serviceInput(a) },
      { program: 'on-keyprefix', instance: b, input: () => keyprefixInput(b) },
      { program: 'on-checks', instance: c, input: () => checksInput(c) },
    ]
    await shareOut()
    running = pidsNow()
  })

  after(() => consul?.close())

  beforeEach(async () => {
    consul.fault = () => null
    for (const instance of instances()) await instance.keepSession()
  })

  describe('on stdin', { concurrency: 1 }, () => {
    assert.ok(large.length > 5e6 && largeChecks.length > 5e6 * 0.9)

    for (const [name, text, codes] of inputs) {
      it(`${name}: stops no process`, async () => {
        const before = consul.passed.length
        const refused = subjects.filter(({ program }) => codes[program] !== 0)
        await Promise.all(
          refused.map(async ({ program, instance }) => {
            assertFailed(program, await instance.run(program, { stdin: text }), 'permanent')
          }),
        )
        assert.equal(consul.passed.length, before, 'Consul was asked, for nothing')
        for (const { program, instance } of subjects) {
          if (codes[program] === 0) assertDone(await instance.run(program, { stdin: text }))
        }
        assertNothingStopped()
      })
    }
  })

  it('input that comes late, and in pieces, is waited for', async () => {
    for (const { program, instance } of subjects) {
      const stdin = program === 'on-checks' ? largeChecks : large
      assertDone(await instance.run(program, { stdin: ['[', stdin.slice(1, 1000), stdin.slice(1000)] }))
    }
    assertNothingStopped()
  })

  describe('Consul', { concurrency: 1 }, () => {
    for (const fault of Object.keys(faults) as Fault[]) {
      it(`that ${fault} stops no process`, async () => {
        const given = await Promise.all(subjects.map(async subject => ({ ...subject, stdin: await subject.input() })))
        // Each at another of the requests that a look takes. A guard has its first two.
        consul.fault = ({ path }) => (/^\/v1\/(kv|txn|health|session)/.test(path) ? fault : null)
        const runs = given.map(({ program, instance, stdin }) => instance.run(program, { stdin }))
        const [guard, ...ended] = await Promise.all([guarded.run('guard'), ...runs])
        for (const [n, { program }] of given.entries()) assertFailed(program, ended[n] as Ended, kindOf(fault))
        assertPassing(guard)
        assertNothingStopped()
        consul.fault = () => null
        // What failed was not seen: the same input is acted upon.
        for (const { program, instance, stdin } of given) {
          const again = await instance.run(program, { stdin })
          assertDone(again)
          assert.match(again.stdout, /nothing to do/)
        }
        assertNothingStopped()
      })
    }

    it('that goes wrong at any one request of a look stops no process', async () => {
      // After a hang-up the request is done again, on a new connection: see test/consul.
      const left: Fault[] = ['never answers', 'hangs up']
      const quick = (Object.keys(faults) as Fault[]).filter(fault => !left.includes(fault))
      for (const [turn, fault] of quick.entries()) {
        // Each program has a connection of its own, and a look takes three requests. The question for the index may fail,
        // and so may a token that may not renew its session, which is renewed first where the lease is over.
        const requests = new Map<number, number>()
        consul.fault = ({ connection, path }) => {
          if (/^\/v1\/(kv\/watchbill\/svc\/\?|session\/renew\/)/.test(path)) return null
          const nth = requests.get(connection) ?? 0
          requests.set(connection, nth + 1)
          return nth === ([...requests.keys()].indexOf(connection) + turn) % 3 ? fault : null
        }
        const runs = subjects.map(async ({ program, instance, input }) =>
          instance.run(program, { stdin: await input() }),
        )
        for (const [n, ended] of (await Promise.all(runs)).entries()) {
          assertFailed((subjects[n] as Subject).program, ended, kindOf(fault))
        }
        assertNothingStopped()
      }
    })

    it('that is not there stops no process', async () => {
      const [port] = await freePorts(1)
      const http = `http://127.0.0.1:${port}`
      for (const { program, instance, input } of subjects) {
        const ended = await instance.run(program, { stdin: await input(), args: ['--http-addr', http] })
        assertFailed(program, ended, 'temporary')
      }
      assertPassing(await guarded.run('guard', { args: ['--http-addr', http] }))
      assertNothingStopped()
    })

    it('that is not there makes the guard of an instance that has no lease critical', async () => {
      const [port] = await freePorts(1)
      const newcomer = await addInstance(cluster().agent('a'), { service: 'newcomer' })
      newcomer.http = `http://127.0.0.1:${port}`
      const { code, stdout, stderr } = await newcomer.run('guard')
      assert.deepEqual({ code, stderr }, { code: 2, stderr: '' })
      assert.match(stdout, /^cannot reach Consul at .*; the lease is over and nothing runs\n$/)
    })
  })

  describe('spec/settings', { concurrency: 1 }, () => {
    after(async () => {
      await guarded.put('spec/settings', '{"drained":[]}')
      await shareOut()
      running = pidsNow()
    })

    for (const text of [
      'what is this',
      '{"drained":',
      'null',
      '5',
      '"text"',
      '["a:a"]',
      '{"drained":"a:a"}',
      '{"drained":[5]}',
      '{"epoch":-1}',
      '{"epoch":"5"}',
    ]) {
      it(`${text}: stops no process, and every handler says so after its work`, async () => {
        await guarded.put('spec/settings', text)
        for (const { program, instance, input } of subjects) {
          assertFailed(program, await instance.run(program, { stdin: await input() }), 'permanent')
        }
        const { code, stderr } = await guarded.run('guard')
        assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
        assertNothingStopped()
      })
    }

    it('what is this: leaves the last good settings in force', async () => {
      const { instance } = subjects[1] as Subject
      await guarded.put('spec/settings', JSON.stringify({ drained: [instance.name] }))
      await until('its partitions to be with the others', async see => {
        for (const one of instances()) assertDone(await act(one))
        const sizes = see(instances().map(one => one.running().size))
        return instance.running().size === 0 && sizes.reduce((sum, size) => sum + size) === 8
      })
      running = pidsNow()
      await guarded.put('spec/settings', 'what is this')
      for (const one of instances()) assertFailed('on-keyprefix', await act(one), 'permanent')
      assertNothingStopped()
      assert.equal(instance.running().size, 0)
    })
  })

  describe('a lock', { concurrency: 1 }, () => {
    for (const text of garbled) {
      it(`with the value ${JSON.stringify(text)}, held by another, is left alone`, async () => {
        const [{ instance: other }, { instance: owner }] = subjects as [Subject, Subject]
        const [partition] = await owner.holds()
        await owner.put(`lock/${partition}`, text)
        for (const { program, instance, input } of subjects.filter(({ instance }) => instance !== owner)) {
          assertDone(await instance.run(program, { stdin: await input() }))
        }
        assertNothingStopped()
        // A reconcile that the owner's guard started before may come only now, and takes its own again.
        const value = (await other.locks()).get(partition as string)?.value ?? ''
        assert.ok(value === text || value.includes(`"instance":"${owner.name}"`), value)
      })

      it(`with the value ${JSON.stringify(text)}, one's own, is taken again, and its process goes on`, async () => {
        const { program, instance, input } = subjects[1] as Subject
        const [partition = ''] = await instance.holds()
        await instance.put(`lock/${partition}`, text)
        await instance.run('guard')
        assertNothingStopped()
        await until('it to be taken again', async see => {
          assertDone(await instance.run(program, { stdin: await input() }))
          return see((await instance.locks()).get(partition))?.value.includes(`"instance":"${instance.name}"`)
        })
        assert.ok((await instance.holds()).includes(partition))
        assertNothingStopped()
      })
    }

    it('that is free and garbled is taken after the takeover wait, and not before', async () => {
      const options = { service: 'short', partitions: ['p'], lease: '5.5s', grace: '0ms' }
      const instance = await addInstance(cluster().agent('a'), options)
      await instance.put('spec/revision', '{}')
      await instance.put('partition/p', '{}')
      await instance.put('lock/p', 'what is this')
      const began = bootClock()
      await until(
        'it to run',
        async see => {
          await instance.run('guard')
          assertDone(await act(instance))
          return see(instance.running()).size === 1
        },
        { deadline: 60_000 },
      )
      assert.ok(bootClock() - began >= 6500, `${bootClock() - began} ms`)
    })
  })
})
