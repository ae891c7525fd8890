import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { withoutMadeAnew } from '../../lib/act/made-anew.ts'
import { entriesAt } from '../../lib/consul/kv.ts'
import type { Operation } from '../../lib/consul/operation.ts'
import { lockFrom } from '../../lib/keys/lock.ts'
import { readSeenHeld, wiped } from '../../lib/look/seen-held.ts'
import { snapshotOf } from '../fixtures/cluster.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { contextOf, stateOf } from '../fixtures/state.ts'

const { keys } = snapshotOf()
const clean = Buffer.from('{"clean":true}').toString('base64')

describe('a lock that nobody has had yet', () => {
  const cases: [what: string, together: boolean, takeover: boolean, isClaimed: boolean][] = [
    ['is taken when it was made with its partition', true, false, true],
    ['is left when it was made after its partition: it may have had a holder', false, false, false],
    ['is taken after the takeover wait, however it was made', false, true, true],
  ]
  for (const [what, together, takeover, isClaimed] of cases) {
    it(what, async t => {
      const { consul, memory } = await fakeConsul(t)
      const files = stateOf(t)
      const made: Operation[] = [
        { Verb: 'set', Key: keys.partition('0'), Value: '' },
        { Verb: 'set', Key: keys.lock('0'), Value: clean },
      ]
      for (const operations of together ? [made] : made.map(one => [one])) memory.transact(operations)
      const [entry] = await entriesAt(consul, [keys.lock('0')])
      assert.ok(entry)
      const snapshot = snapshotOf({ locks: new Map([['0', lockFrom(entry)]]) })
      const claims = [{ do: 'claim' as const, partition: '0', index: entry.modifyIndex, takeover }]
      const left = await withoutMadeAnew(contextOf(consul, files), snapshot, claims)
      assert.deepEqual(left, isClaimed ? claims : [])
      assert.deepEqual([...readSeenHeld(files.seenHeld)], isClaimed ? [] : [['0', wiped]])
    })
  }
})
