import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parseExact, rawNumber } from '../lib/base/exact-json.ts'
import { runs } from './model/runs.ts'

describe('JSON that is handed on', () => {
  const texts = [
    '9007199254740993',
    '{"n":[9007199254740993,-12345678901234567890]}',
    '{"a":1e400,"b":-1E+400,"c":1.0,"d":-0,"e":0.10,"f":5e-324,"g":1e5,"h":0.1234567890123456789}',
    '{"__proto__":{"x":1.0},"rawJSON":"7"}',
    '["1e400","9007199254740993",null,true]',
  ]
  for (const text of texts) it(`${text} stays`, () => assert.equal(JSON.stringify(parseExact(text)), text))

  it('keeps numbers that JavaScript writes alike as numbers', () => {
    assert.deepEqual(parseExact('{"a":[1,0.5,1e+21,-7,"1.0"]}'), { a: [1, 0.5, 1e21, -7, '1.0'] })
    assert.deepEqual([rawNumber(parseExact('1.0')), rawNumber(1), rawNumber({ rawJSON: '1.0' })], ['1.0', null, null])
  })

  it('stays as it is, whatever number it holds', () => {
    const digits = fc.stringMatching(/^-?(0|[1-9]\d{0,24})(\.\d{1,24})?([eE][+-]?\d{1,3})?$/)
    fc.assert(
      fc.property(fc.array(digits), numbers => {
        const text = `[${numbers.join(',')}]`
        assert.equal(JSON.stringify(parseExact(text)), text)
      }),
      runs(500),
    )
  })
})
