import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { changedLines, type Handed, lineOf, parseHanded } from '../../lib/base/worker-line.ts'
import { confirms, linesFrom, parseConfirmation } from '../../lib/state/worker-confirmations.ts'

/** What may be a partition's name. */
const id = fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }).filter(id => !/\p{Cc}/u.test(id))
const handed: fc.Arbitrary<Handed> = fc.record(
  {
    id,
    token: fc.nat().map(String),
    document: fc.option(fc.string()),
    since: fc.date({ noInvalidDate: true }).map(date => date.toISOString()),
  },
  { noNullPrototype: true },
)
const distinct = fc.uniqueArray(handed, { selector: ({ id }) => id })
const text = (lines: readonly string[]) => lines.map(line => `${line}\n`).join('')

describe('a line of the assignment', () => {
  it('is one line, and is read as it was written', () => {
    fc.assert(
      fc.property(handed, one => {
        assert.doesNotMatch(lineOf(one), /[\n\r]/)
        assert.deepEqual(parseHanded(lineOf(one)), one)
      }),
    )
  })

  it('is null when it is garbage', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), line => assert.equal(parseHanded(line), null)))
  })
})

describe('an assignment', () => {
  it('holds each partition once, whatever is added and taken out', () => {
    const change = fc.record({ added: distinct, without: fc.array(id) })
    fc.assert(
      fc.property(distinct, fc.array(change), (first, changes) => {
        let file = text(first.map(lineOf))
        const wanted = new Map(first.map(one => [one.id, one]))
        for (const { added, without } of changes) {
          const out = new Set([...without, ...[...wanted.keys()].slice(0, 1)])
          const lines = changedLines(file, added.map(lineOf), out)
          for (const id of out) wanted.delete(id)
          for (const one of added) wanted.set(one.id, one)
          file = text(lines)
          assert.deepEqual(new Set(lines), new Set([...wanted.values()].map(lineOf)))
          assert.equal(lines.length, wanted.size)
        }
      }),
    )
  })

  it('that was garbled holds what is added, and what can be read', () => {
    fc.assert(
      fc.property(fc.string(), handed, handed, (garbage, kept, added) => {
        fc.pre(kept.id !== added.id && !garbage.includes('{'))
        const lines = changedLines(
          `${garbage}\n${lineOf(kept)}\n${lineOf(kept).slice(0, -2)}`,
          [lineOf(added)],
          new Set(),
        )
        assert.deepEqual(lines, [lineOf(kept), lineOf(added)])
      }),
    )
  })
})

describe('confirmations', () => {
  it('are each read once, however they are cut into pieces', () => {
    fc.assert(
      fc.property(fc.array(handed), fc.array(fc.nat()), (all, cuts) => {
        const bytes = Buffer.from(text(all.map(lineOf)))
        const ends = [...cuts.map(cut => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
        const read: string[] = []
        let from = 0
        for (const end of ends) {
          const { lines, next } = linesFrom(bytes.subarray(0, end), from)
          read.push(...lines)
          from = next
        }
        assert.deepEqual(read, all.map(lineOf))
        assert.equal(from, bytes.length)
      }),
    )
  })

  it('are about exactly the hand-over whose line they repeat', () => {
    fc.assert(
      fc.property(handed, handed, (one, other) => {
        const said = parseConfirmation(lineOf(one))
        assert.ok(said)
        assert.equal(confirms(said, one), true)
        const same = one.id === other.id && one.token === other.token && one.since === other.since
        assert.equal(confirms(said, other), same)
        assert.equal(confirms(said, { ...one, token: `${one.token}0` }), false)
        assert.equal(confirms({ ...said, since: null }, { ...one, since: 'another time' }), true)
      }),
    )
  })

  it('that are garbage are none', () => {
    for (const line of [
      '',
      'null',
      '[]',
      '7',
      '{}',
      '{"id":"7"}',
      '{"id":7,"token":"1"}',
      '{"id":"7","token":"1"',
      '\0\0',
    ])
      assert.equal(parseConfirmation(line), null, line)
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), line => void parseConfirmation(line)))
  })

  it('begin anew in a file that has become shorter', () => {
    assert.deepEqual(linesFrom(Buffer.from('a\nb'), 100), { lines: ['a'], next: 2 })
    assert.deepEqual(linesFrom(Buffer.from(''), 100), { lines: [], next: 0 })
  })
})
