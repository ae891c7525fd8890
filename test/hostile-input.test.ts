/** What comes in from elsewhere than Consul's API: stdin, definition files, facts on disk. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { checksDigest, keyprefixDigest, serviceDigest } from '../lib/consul/watch.ts'
import { parseDefinition } from '../lib/definition/load.ts'
import { defaults, settingsFrom } from '../lib/keys/settings.ts'
import { readFree } from '../lib/look/free.ts'
import { writeFact } from '../lib/state/facts.ts'
import { instanceLease, partitionLease } from '../lib/state/lease.ts'
import { localFacts } from '../lib/state/local.ts'
import { harmless } from './fixtures/harmless.ts'
import { partitionIn, stateOf } from './fixtures/state.ts'
import { garbage } from './model/hostile.ts'
import { runs } from './model/runs.ts'

/** @throws AssertionError unless it is refused for good, in one line that acts on no terminal */
function assertRefused(error: unknown): void {
  const { name, message, stack } = error as Error
  assert.equal(name, 'Permanent', stack)
  assert.match(message, harmless)
}

const service = [
  { Node: { Node: 'a' }, Service: { ID: 'svc' }, Checks: [{ CheckID: 'serfHealth', Status: 'passing' }] },
]
const keys = [{ Key: 'watchbill/svc/spec/revision', ModifyIndex: 5, Value: 'e30=', Session: 'x' }]
const checks = [{ Node: 'a', CheckID: 'svc-guard', ServiceID: 'svc', Status: 'passing' }]

describe('a hostile stdin', () => {
  const watches: [string, unknown, (text: string) => string][] = [
    ['a service watch', service, serviceDigest],
    ['a keyprefix watch', keys, keyprefixDigest],
    ['a checks watch', checks, text => checksDigest(text, { node: 'a', serviceId: 'svc' })],
  ]
  for (const [what, sample, digest] of watches) {
    it(`of ${what} is boiled down to text, or refused in one line`, () => {
      fc.assert(
        fc.property(garbage(sample), text => {
          try {
            assert.equal(typeof digest(text), 'string')
          } catch (error) {
            assertRefused(error)
          }
        }),
        runs(500),
      )
    })
  }
})

const definition = {
  ...{ name: 'svc', id: 'svc', tags: ['a'], weight: 1, maxPartitions: 5, partitions: { list: ['a', 'b'] } },
  run: { command: ['./work', '{partition}'], cwd: '/', env: { A: 'b' }, restart: 'always' },
  ...{ stop: { signal: 'SIGTERM', grace: '3s', command: ['./stop'] }, guard: { interval: '2s' }, lease: '10s' },
}

it('a hostile definition is taken as a whole, or refused in one line that names the file', async () => {
  await fc.assert(
    fc.asyncProperty(garbage(definition), async text => {
      try {
        const { name, run, partitions, leaseMs } = await parseDefinition(text, '/etc/watchbill/x.json')
        assert.ok(name && run.command.length > 0 && partitions.every(id => typeof id === 'string') && leaseMs > 0)
      } catch (error) {
        assertRefused(error)
        assert.match((error as Error).message, /^cannot use the definition \/etc\/watchbill\/x\.json: /)
      }
    }),
    runs(500),
  )
})

it('hostile settings are as they should be, or leave the last good ones in force', () => {
  const lastGood = { drained: ['b:svc'], held: [], epoch: 3 }
  fc.assert(
    fc.property(garbage({ drained: ['a:svc'], epoch: 5 }), text => {
      const { settings, problem } = settingsFrom(text, lastGood)
      assert.ok(settings.epoch >= 3 && settings.epoch < 2 ** 13 && Number.isInteger(settings.epoch))
      assert.ok(settings.drained.every(one => typeof one === 'string'))
      if (problem !== null) assert.deepEqual(settings, lastGood)
      assert.deepEqual(settingsFrom(JSON.stringify(settings), defaults).problem, null)
    }),
    runs(500),
  )
})

it('facts that are garbage give no lease, no process and no claim', t => {
  const files = stateOf(t)
  const partition = partitionIn(files, '0')
  const numbers = fc.constantFrom(
    '1',
    '0',
    '-1',
    '1 1',
    '0 0',
    '-5 5',
    '1e3 1',
    '9'.repeat(30),
    '5 9999999999999',
    'NaN NaN',
    '\u0000',
  )
  const fact = fc.oneof(numbers, fc.string({ unit: 'binary', maxLength: 12 }))
  const now = 1_000_000
  fc.assert(
    fc.property(fact, fact, (one, two) => {
      for (const file of [files.lease, files.free, partition.lease, partition.terms, partition.index])
        writeFact(file, one)
      for (const file of [partition.shepherd, partition.process, partition.launched]) writeFact(file, two)
      assert.equal(instanceLease(files, now), null)
      assert.equal(readFree(files, 'this boot', now).size, 0)
      const lease = partitionLease(partition)
      assert.ok(lease === null || (lease.own >= 0 && lease.from >= 0))
      const { shepherd, process, leaseRuns, terms } = localFacts(files, null, now).get('0') ?? assert.fail()
      assert.deepEqual([shepherd, process], [null, null])
      assert.ok(!leaseRuns || (lease !== null && terms !== null && lease.own + terms.lease > now))
    }),
    runs(300),
  )
})
