import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decode, encode } from '../../lib/base/names.ts'
import { pointedAt } from '../../lib/base/pointer.ts'
import { mostDocument } from '../../lib/definition/definition.ts'
import { refusal } from '../../lib/sources/accept.ts'
import { itemsIn } from '../../lib/sources/items.ts'

const plain = { format: 'json', items: '', id: '/id' } as const
const web = { ...plain, items: '/data' } as const
const lines = { ...plain, format: 'lines' } as const

const idsIn = (...args: Parameters<typeof itemsIn>) => itemsIn(...args).items.map(({ id }) => id)

test('a pointer leads where RFC 6901 says', () => {
  const value = { foo: ['bar', 'baz'], '': 0, 'a/b': 1, 'm~n': 8, nested: { deep: [{ id: 'x' }] } }
  assert.equal(pointedAt(value, ''), value)
  assert.deepEqual(
    ['/foo/0', '/', '/a~1b', '/m~0n', '/nested/deep/0/id'].map(pointer => pointedAt(value, pointer)),
    ['bar', 0, 1, 8, 'x'],
  )
  for (const pointer of ['/foo/2', '/foo/01', '/foo/length', '/foo/-', '/none', '/foo/0/0', '/toString', '/nested/x/y'])
    assert.equal(pointedAt(value, pointer), undefined, pointer)
})

test('objects give ids and documents, strings and whole numbers only ids', () => {
  const text = '{"data": [{"id": "a", "url": "ws://x"}, "b", 3, {"id": 4}]}'
  assert.deepEqual(itemsIn(text, web), {
    items: [
      { id: 'a', document: { id: 'a', url: 'ws://x' } },
      { id: 'b' },
      { id: '3' },
      { id: '4', document: { id: 4 } },
    ],
    fault: null,
  })
  assert.deepEqual(idsIn('[{"key": {"name": "x/y"}}]', { ...plain, id: '/key/name' }), ['x/y'])
})

const exact = '{"id":9,"big":9007199254740993,"huge":1e400,"price":1.0,"__proto__":{"n":-0}}'

test('a document keeps its numbers as they were written', () => {
  const { items, fault } = itemsIn(`[${exact}]`, plain)
  assert.equal(fault, null)
  assert.equal(JSON.stringify(items), `[{"id":"9","document":${exact}}]`)
})

test('a number that JavaScript cannot hold is no id, and is told as it was written', () => {
  const told = (text: string) => itemsIn(text, plain).fault
  assert.equal(told('[9007199254740993]'), '/0: an id cannot be 9007199254740993')
  assert.equal(told('[{"id":1e400}]'), '/0/id: an id cannot be 1e400')
  assert.deepEqual(idsIn('[1.0, {"id": 1e2}]', plain), ['1', '100'])
  assert.equal(pointedAt(itemsIn(`[${exact}]`, plain).items[0]?.document, '/big/rawJSON'), undefined)
})

test('a field that is there twice is a fault with its place: nobody knows which one was meant', () => {
  const text = '[{"id": "a"},\n {"id": "b", "u": {"n": 1, "n": 2}}]'
  assert.equal(itemsIn(text, plain).fault, 'line 2, column 28: the field "n" is there twice')
  assert.deepEqual(idsIn(text, plain), ['a', 'b'])
})

test('lines are ids; empty ones are nothing', () => {
  assert.deepEqual(idsIn('a\r\n\n  b c \n#d\n[e\n', lines), ['a', 'b c', '#d', '[e'])
})

/** What a source may say that is no list at all, and why. */
const unreadable: [string, object, RegExp][] = [
  ['<html><h1>Welcome</h1></html>', web, /^it is no JSON: line 1, column 1: expected a value, found "<"$/],
  [
    '{"data": [{"id": "a"}, {"i',
    web,
    /^it is no JSON: line 1, column 25: expected .*, found a string that does not end$/,
  ],
  ['', web, /^it is no JSON: line 1, column 1: expected a value, found the end of the file$/],
  ['[]', web, /^\/data is not there; it is an empty array$/],
  ['{"error": "no"}', web, /^\/data is not there; it is an object$/],
  ['{"data": null}', web, /^\/data is null, not an array$/],
  ['null', plain, /^it is null, not an array$/],
  [`[${'1,'.repeat(100_000)}1]`, plain, /^it holds 100001 partitions; at most 100000 are possible$/],
]
for (const [text, shape, why] of unreadable) {
  test(`unreadable: ${text.slice(0, 40)}`, () => {
    assert.throws(() => itemsIn(text, shape as typeof web), { message: why })
  })
}

/** What is wrong with one of several, and what is left without it. */
const faulty: [string, object, string, string[]][] = [
  ['["a", "b", "a"]', plain, '/2: "a" is there twice', ['a', 'b']],
  ['[1, "1"]', plain, '/1: "1" is there twice', ['1']],
  ['{"data": [{"id": "a"}, {"name": "b"}]}', web, '/data/1/id: there is no id', ['a']],
  ['{"data": [{"id": null}, {"id": {}}]}', web, '/data/0/id: an id cannot be null', []],
  ['["", "a"]', plain, '/0: "" is no id; it takes 1 to 200 bytes in a key, without control characters', ['a']],
  [
    '["a\\nb", "c"]',
    plain,
    '/0: "a\\nb" is no id; it takes 1 to 200 bytes in a key, without control characters',
    ['c'],
  ],
  ['[1.5, true, ["x"], null]', plain, '/0: an id cannot be 1.5', []],
  ['a\nb\n\na\n', lines, 'line 4: "a" is there twice', ['a', 'b']],
]
for (const [text, shape, fault, left] of faulty) {
  test(`faulty: ${text.replaceAll('\n', ' ')}`, () => {
    const answer = itemsIn(text, shape as typeof web)
    assert.equal(answer.fault, fault)
    assert.deepEqual(
      answer.items.map(({ id }) => id),
      left,
    )
    assert.equal(refusal(answer, new Set(), 1), fault)
  })
}

test('a document that does not fit into a key is a fault', () => {
  const document = { id: 'a', text: 'x'.repeat(mostDocument) }
  assert.match(itemsIn(JSON.stringify([document]), plain).fault ?? '', /^\/0\/id: the document of "a" takes \d+ bytes/)
})

test('an empty answer is refused, of a small set too; a large set loses at most what it may', () => {
  const present = (size: number) => new Set(Array.from({ length: size }, (_, n) => String(n)))
  const answer = (size: number) => itemsIn(JSON.stringify([...present(size)]), plain)
  assert.equal(refusal(answer(0), present(0), 0.5), 'it holds no partition')
  assert.equal(refusal(answer(0), present(3), 1), 'it holds no partition')
  assert.equal(refusal(answer(1), present(10), 0.5), null)
  assert.equal(refusal(answer(6), present(12), 0.5), null)
  assert.equal(refusal(answer(5), present(12), 0.5), 'it lacks 7 of the 12 partitions in force, more than 50%')
  assert.equal(refusal(answer(11), present(12), 0), 'it lacks 1 of the 12 partitions in force, more than 0%')
  assert.equal(refusal(answer(1), present(12), 1), null)
})

test('whatever a source answers is refused in one line, or gives ids that can be keys, each once', () => {
  const text = fc.oneof(
    fc.json(),
    fc.string(),
    fc.array(fc.anything()).map(value => JSON.stringify(value)),
  )
  fc.assert(
    fc.property(text, fc.constantFrom(plain, web, lines), (text, shape) => {
      let ids: string[]
      try {
        const { items, fault } = itemsIn(text, shape)
        ids = items.map(({ id }) => id)
        assert.ok(fault === null || !fault.includes('\n'), String(fault))
      } catch (error) {
        assert.ok(error instanceof Error && error.name === 'Error' && !error.message.includes('\n'), String(error))
        return
      }
      assert.equal(new Set(ids).size, ids.length)
      for (const id of ids) assert.equal(decode(encode(id)), id)
    }),
  )
})
