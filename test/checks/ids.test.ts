import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { checkId, partitionServiceId } from '../../lib/keys/service-ids.ts'
import { runs } from '../model/runs.ts'

describe("the id of a partition's service in the catalog", () => {
  // What runs today keeps its record.
  const unchanged: [string, string][] = [
    ['7', '7'],
    ['eu-west:1.a_b', 'eu-west:1.a_b'],
    ['a b', 'a%20b'],
    ['x/y', 'x%2Fy'],
    ['grün', 'grün'],
    ['.x', '%2Ex'],
  ]
  for (const [id, written] of unchanged)
    it(`is ${written} for ${id}`, () => assert.equal(partitionServiceId('svc', id), `svc:${written}`))

  it('marks capitals, which Consul does not tell from small letters', () => {
    assert.equal(partitionServiceId('svc', 'Ab'), 'svc:%41b')
    assert.equal(partitionServiceId('svc', '%41b'), 'svc:%2541b')
    assert.equal(partitionServiceId('svc', 'Ä'), 'svc:%C3%84')
    assert.equal(checkId('svc', 'A', 'progress'), 'svc:%41:progress')
  })

  it('is another one of different ids, whatever they hold, also without capitals', () => {
    const id = fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' }).filter(text => text.isWellFormed())
    // Simple and full lower case: Go's strings.ToLower goes character by character.
    const lower = (text: string) => Array.from(text, character => character.toLowerCase()).join('')
    fc.assert(
      fc.property(fc.uniqueArray(id, { minLength: 1 }), ids => {
        const variants = ids.flatMap(one => [one, one.toLowerCase(), one.toUpperCase(), encodeURIComponent(one)])
        const all = [...new Set(variants)]
        const written = all.map(one => lower(partitionServiceId('svc', one)))
        assert.equal(new Set(written).size, all.length, JSON.stringify(all))
      }),
      runs(1000),
    )
  })
})
