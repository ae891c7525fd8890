import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { bootId } from '../../lib/base/clock.ts'
import { writeFact } from '../../lib/state/facts.ts'
import { extendLease, instanceLease, lastProof, never, partitionLease, writeLease } from '../../lib/state/lease.ts'
import { localOf } from '../../lib/state/local.ts'
import { readTwice } from '../../lib/state/twice.ts'
import { partitionIn, stateOf } from '../fixtures/state.ts'

describe("the instance's lease", () => {
  const cases: [string, string | null, number | null][] = [
    ['there is none before the first check', null, null],
    ['it is the start of the last check', `${bootId()} 5000`, 5000],
    ['it may be this very moment', `${bootId()} 9000`, 9000],
    ['one of another boot is none', '8f6e5a5e-0000-4000-8000-000000000000 5000', null],
    ['one that lies ahead is none', `${bootId()} 9001`, null],
    ['a garbled one is none', `${bootId()} 5e3`, null],
    ['half a one is none', bootId(), null],
    ['an empty one is none', '', null],
    ['written twice it is one', `${bootId()} 5000 \n${bootId()} 5000 `, 5000],
    ['a torn one is none', `${bootId()} 5000 \n${bootId()} 4000 `, null],
    ['a negative one is none', `${bootId()} -5`, null],
  ]
  for (const [what, text, t0] of cases) {
    it(what, t => {
      const files = stateOf(t)
      if (text !== null) writeFact(files.lease, text)
      assert.equal(instanceLease(files, 9000), t0)
    })
  }

  it('is extended by a later check, and never lowered by an older one', t => {
    const files = stateOf(t)
    extendLease(files, 5000, 9000)
    assert.equal(instanceLease(files, 9000), 5000)
    extendLease(files, 7000, 9000)
    extendLease(files, 6000, 9000)
    assert.equal(readTwice(files.lease), `${bootId()} 7000`)
  })

  it('replaces what is not believed', t => {
    const files = stateOf(t)
    for (const text of ['8f6e5a5e-0000-4000-8000-000000000000 8000', `${bootId()} 99000`, 'garbage']) {
      writeFact(files.lease, text)
      extendLease(files, 5000, 9000)
      assert.equal(instanceLease(files, 9000), 5000)
    }
  })
})

describe("a partition's lease", () => {
  it('is written and read as from and own', t => {
    const partition = partitionIn(stateOf(t), '0')
    assert.equal(partitionLease(partition), null)
    writeLease(partition, { from: never, own: 12 })
    assert.equal(readTwice(partition.lease), '9999999999999  12')
    assert.equal(readFileSync(partition.lease).length, 60)
    assert.deepEqual(partitionLease(partition), { from: never, own: 12 })
  })

  for (const text of ['', '5', '5 ', '5 6 7', '5 6\n5 7', '-5 6', '5 6.5', '5 1e3', 'from own']) {
    it(`"${text}" is none`, t => {
      const partition = partitionIn(stateOf(t), '0')
      writeFact(partition.lease, text)
      assert.equal(partitionLease(partition), null)
    })
  }

  const proofs: [string, Parameters<typeof lastProof>, number | null][] = [
    ['without a lease nothing is proved', [null, 5000, 9000], null],
    ['a new acquisition counts from its own transaction', [{ from: 8010, own: 8000 }, 5000, 9000], 8000],
    ['the check that knew of it counts', [{ from: 8010, own: 8000 }, 8010, 9000], 8010],
    ['a check that began before it was known does not', [{ from: 8010, own: 8000 }, 8009, 9000], 8000],
    ['the later of the two counts', [{ from: 1000, own: 8000 }, 5000, 9000], 8000],
    ['without a check its own counts', [{ from: 1000, own: 8000 }, null, 9000], 8000],
    ['a pinned one has only its own, however late the check', [{ from: never, own: 4000 }, 8999, 9000], 4000],
    ['one that lies ahead proves nothing', [{ from: never, own: 9001 }, null, 9000], null],
    ['one that lies ahead leaves the check', [{ from: 1000, own: 9001 }, 5000, 9000], 5000],
    ['an intended one proves nothing', [{ from: never, own: never }, 8999, 9000], null],
  ]
  for (const [what, given, proof] of proofs) it(what, () => assert.equal(lastProof(...given), proof))
})

describe('whether the lease of an acquisition runs', () => {
  const cases: [string, string | null, string | null, number | null, boolean][] = [
    ['it does until L after the proof', '1000 1000', '10000 3000', 5000, true],
    ['it is over L after the proof', '1000 1000', '10000 3000', 4000, false],
    ['it is L of the acquisition that counts', '1000 1000', '20000 3000', 4000, true],
    ['without L it is over', '1000 1000', null, 13_000, false],
    ['with a garbled L it is over', '1000 1000', '10s 3s', 13_000, false],
    ['without its own file it is over', null, '10000 3000', 13_000, false],
    ['an intended one is over', `${never} ${never}`, '10000 3000', 13_000, false],
  ]
  for (const [what, lease, terms, t0, runs] of cases) {
    it(what, t => {
      const partition = partitionIn(stateOf(t), '0')
      if (lease !== null) writeFact(partition.lease, lease)
      if (terms !== null) writeFact(partition.terms, terms)
      assert.equal(localOf(partition, t0, 14_000).leaseRuns, runs)
    })
  }

  it('a pinned one is told as such', t => {
    const partition = partitionIn(stateOf(t), '0')
    writeLease(partition, { from: never, own: 5 })
    assert.equal(localOf(partition, 10, 20).pinned, true)
    writeLease(partition, { from: 6, own: 5 })
    assert.equal(localOf(partition, 10, 20).pinned, false)
  })
})
