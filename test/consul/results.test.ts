import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { entryOf } from '../../lib/consul/kv.ts'
import { Results } from '../../lib/consul/results.ts'

const raw = fc.record({
  LockIndex: fc.nat(9),
  Key: fc.oneof(fc.string(), fc.constantFrom('}},{"KV":{"', '{"Results":[', '\\', 'ü')),
  Flags: fc.constant(0),
  Value: fc.option(fc.base64String({ maxLength: 8 })),
  CreateIndex: fc.nat(),
  ModifyIndex: fc.nat(),
})

/** As it comes: in chunks of this many characters. */
function read(text: string, piece: number, chunk: number) {
  const results = new Results(piece)
  let left = ''
  for (let at = 0; at < text.length; at += chunk) left = results.read(left + text.slice(at, at + chunk))
  return { entries: results.entries, left }
}

describe('the results of a transaction, read as they come', () => {
  it('are those of the whole', () => {
    fc.assert(
      fc.property(
        fc.array(raw, { maxLength: 8 }),
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 99 }),
        (all, piece, chunk) => {
          const { entries, left } = read(
            JSON.stringify({ Results: all.map(KV => ({ KV })), Errors: null }),
            piece,
            chunk,
          )
          const rest = JSON.parse(left) as { Results: { KV: (typeof all)[number] }[]; Errors: null }
          assert.equal(rest.Errors, null)
          assert.deepEqual([...entries, ...rest.Results.map(({ KV }) => entryOf(KV))], all.map(entryOf))
        },
      ),
    )
  })

  it('leave nothing of a large one to be read at once', () => {
    const one = { LockIndex: 0, Key: 'k', Flags: 0, Value: null, CreateIndex: 1, ModifyIndex: 1 }
    const text = JSON.stringify({ Results: Array.from({ length: 1000 }, () => ({ KV: one })), Errors: null })
    const { entries, left } = read(text, 1000, 100)
    assert.ok(entries.length > 980)
    assert.ok(left.length < 1200)
  })

  const strange = {
    'not JSON': '{"Results":[{"KV":{"Key":}},{"KV":{"Key":1}}]}',
    'not keys': '{"Results":[{"KV":{"Key":1}},{"KV":{"Key":1}}]}',
    'errors first': '{"Errors":null,"Results":[{"KV":{"Key":1}},{"KV":{"Key":1}}]}',
    'another list': '{"Others":[{"KV":{"Key":"a"}},{"KV":{"Key":"b"}}]}',
    'deeper lists': '{"Results":[{"KV":{"Key":[{"KV":{}},{"KV":{"Key":1}}]}}]}',
  }
  for (const [what, text] of Object.entries(strange)) {
    it(`are left as they are: ${what}`, () => assert.deepEqual(read(text, 1, 1), { entries: [], left: text }))
  }
})
