import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { dnsLabel } from '../../lib/checks/dns-label.ts'

describe('the name of a partition in DNS', () => {
  for (const id of ['0', 'eu-west-1', 'a', 'a'.repeat(63)]) it(`is the id: ${id}`, () => assert.equal(dnsLabel(id), id))
  for (const id of ['EU', 'a.b', 'ü', '-a', 'a-', 'x-1', 'a b', 'a'.repeat(64), '..'])
    it(`is a mapped one: ${id}`, () => assert.match(dnsLabel(id), /^x-[0-9a-f]{16}$/))

  it('is one label of DNS, and of different ids another one, whatever they hold', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1, unit: 'grapheme' }), { minLength: 2 }), ids => {
        const labels = ids.map(dnsLabel)
        for (const label of labels) assert.match(label, /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/)
        assert.equal(new Set(labels.map(label => label.toLowerCase())).size, ids.length)
      }),
    )
  })
})
