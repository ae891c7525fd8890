import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { jsonFault } from '../../lib/definition/json.ts'

const cases: [string, string][] = [
  ['', '1:1 expected a value, found the end of the file; complete the JSON'],
  [' \n ', '2:2 expected a value, found the end of the file; complete the JSON'],
  ['{"a": x}', '1:7 expected a value, found "x"; correct the JSON'],
  ['{"a": 1,}', '1:9 expected a field name in double quotes, found "}"; correct the JSON'],
  ['[1,]', '1:4 expected a value, found "]"; correct the JSON'],
  ['[}', '1:2 expected a value or "]", found "}"; correct the JSON'],
  ['{]', '1:2 expected a field name in double quotes or "}", found "]"; correct the JSON'],
  ['[1}', '1:3 expected "," or the closing bracket, found "}"; correct the JSON'],
  ['{"a": 1]', '1:8 expected "," or the closing bracket, found "]"; correct the JSON'],
  ['[1 2]', '1:4 expected "," or the closing bracket, found a number; correct the JSON'],
  ['{\r\n  "a": 1\r\n  "b": 2 }', '3:3 expected "," or the closing bracket, found a string; correct the JSON'],
  ['{"a"', '1:5 expected ":", found the end of the file; complete the JSON'],
  ['{"a" "secret"}', '1:6 expected ":", found a string; correct the JSON'],
  ['{1: 2}', '1:2 expected a field name in double quotes or "}", found a number; correct the JSON'],
  ["{'a': 1}", '1:2 expected a field name in double quotes or "}", found "\'"; correct the JSON'],
  ['{"a": "b\n"}', '1:7 expected a value, found a string that does not end; correct the JSON'],
  ['"\\x"', '1:1 found a string with a bad escape or a control character; correct it'],
  ['"a\tb"', '1:1 found a string with a bad escape or a control character; correct it'],
  ['{}\n{}', '2:1 expected the end of the file, found "{"; correct the JSON'],
  ['{}]', '1:3 expected the end of the file, found "]"; correct the JSON'],
  ['[01]', '1:2 expected a value or "]", found "0"; correct the JSON'],
  ['[NaN]', '1:2 expected a value or "]", found "N"; correct the JSON'],
  ['{\n  // why\n}', '2:3 found a comment, which JSON does not have; remove it'],
  ['[1, /* one */ 2]', '1:5 found a comment, which JSON does not have; remove it'],
  ['# why\n{}', '1:1 found a comment, which JSON does not have; remove it'],
  ['{"a": 1,\u00a0"b": 2}', '1:9 expected a field name in double quotes, found "\\u{a0}"; correct the JSON'],
  ['{"a": 1, "a": 2}', '1:10 the field "a" is there twice; keep one'],
  ['{"a": 1, "\\u0061": 2}', '1:10 the field "a" is there twice; keep one'],
  ['{"a": {"b": 1}, "b": 1, "b": 2}', '1:25 the field "b" is there twice; keep one'],
  ['{"a": {"__proto__": 1}}', '1:8 the name "__proto__" cannot be used; choose another one'],
]

for (const [text, expected] of cases) {
  test(`${JSON.stringify(text)} → ${expected}`, () => {
    const fault = jsonFault(text)
    assert.equal(fault && `${fault.line}:${fault.column} ${fault.problem}`, expected)
  })
}

test('the same name in two objects is no fault', () => {
  assert.equal(jsonFault('[{"a": {"a": 1}}, {"a": 2, "b": {"a": ""}}]'), null)
})

function parses(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

test('a text has a fault exactly when JSON.parse refuses it', () => {
  const spaced = fc.tuple(fc.jsonValue(), fc.nat(2)).map(([value, indent]) => JSON.stringify(value, null, indent))
  const damaged = fc
    .tuple(spaced, fc.nat(), fc.nat(2), fc.constantFrom('', ',', ':', '"', '\\', '{', '}', '[', ']', ' ', '1', 'null'))
    .map(([text, at, cut, put]) => {
      const from = at % (text.length + 1)
      return text.slice(0, from) + put + text.slice(from + cut)
    })
  fc.assert(
    fc.property(fc.oneof(spaced, damaged, fc.string({ unit: 'binary' })), text => {
      const fault = jsonFault(text)
      // These two are refused although JSON.parse takes them.
      if (fault && /is there twice|__proto__/.test(fault.problem)) return
      assert.equal(fault === null, parses(text))
    }),
    { numRuns: 5000 },
  )
})

test('nesting and long strings do not exhaust the stack', () => {
  assert.equal(jsonFault('['.repeat(500_000) + ']'.repeat(500_000)), null)
  assert.equal(jsonFault(`"${'\\n'.repeat(6_000_000)}"`), null)
})
