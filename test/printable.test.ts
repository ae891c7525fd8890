import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { printable, printableLines, shellWords } from '../lib/base/printable.ts'
import { harmless } from './fixtures/harmless.ts'
import { runs } from './model/runs.ts'

describe('what others wrote', () => {
  const cases: [string, string][] = [
    ['Größe 🙂 日本 a%2Fb', 'Größe 🙂 日本 a%2Fb'],
    ['\u001b[2J', '\\u001b[2J'],
    ['\u009b2J', '\\u009b2J'],
    ['one\ntwo\ttabs\r', 'one\\u000atwo\\u0009tabs\\u000d'],
    ['\u202egnp.exe', '\\u202egnp.exe'],
    ['\ud83d', '\\ud83d'],
  ]
  for (const [text, shown] of cases)
    it(`${JSON.stringify(text)} is shown harmless`, () => assert.equal(printable(text), shown))

  it('keeps only its line breaks where lines are wanted', () => {
    assert.equal(printableLines('a\u0007\nb'), 'a\\u0007\nb')
  })

  it('is quoted for a shell, behind -- where it looks like an option', () => {
    assert.equal(shellWords('svc', 'a b'), "svc 'a b'")
    assert.equal(shellWords('svc', '-7', '$(id)'), "svc -- '-7' '$(id)'")
    assert.equal(shellWords('svc', "it's"), "svc 'it'\\''s'")
  })

  it('is harmless whatever it is, and stays the same JSON', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), text => {
        assert.match(printable(text), harmless)
        assert.equal(JSON.parse(printable(JSON.stringify(text))), text)
      }),
      runs(2000),
    )
  })
})
