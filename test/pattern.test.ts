import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PatternError, pattern } from '../lib/base/pattern.ts'

const cases: readonly (readonly [source: string, fits: readonly string[], not: readonly string[]])[] = [
  ['^\\d+\\.\\d+\\.\\d+$', ['1.2.3', '10.0.44'], ['1.2', '1.2.3.4', 'v1.2.3', '1.2.3\n', '']],
  ['^v?\\d+(\\.\\d+){1,2}(-[a-z0-9]+)?$', ['1.2', 'v1.2.3', '1.2-rc1'], ['1', '1.2.3.4', '1.2-', 'V1.2']],
  ['^(blue|green)$', ['blue', 'green'], ['', 'red', 'bluegreen']],
  ['^[0-9a-f]{40}$', ['0123456789abcdef0123456789abcdef01234567'], ['0123', 'g'.repeat(40)]],
  ['^[^x/-]+$', ['abc', '.'], ['axb', 'a/b', 'a-b', '']],
  ['^a{2,}$', ['aa', 'aaaaa'], ['a', '']],
  ['^a{0}b$', ['b'], ['ab']],
  ['^(a*)*b$', ['b', 'aaab'], ['aaa']],
  ['^.?$', ['', 'é'], ['ab']],
  ['^(?:\\w|\\.)+$', ['a_1.b'], ['a b']],
  ['^$', [''], ['a']],
]

describe('a pattern', () => {
  for (const [source, fits, not] of cases)
    it(`${source} tells what fits from what does not, as JavaScript does`, () => {
      const test = pattern(source)
      for (const text of fits) assert.ok(test(text), text)
      for (const text of not) assert.ok(!test(text), text)
      const own = new RegExp(source, 'u')
      for (const text of [...fits, ...not.filter(one => !one.endsWith('\n'))]) assert.equal(own.test(text), test(text))
    })

  it('that would take a backtracking engine for ever takes no time', () => {
    const begun = performance.now()
    for (const source of ['^(a+)+$', '^(a|aa)+$', '^(.*)*(.*)*(.*)*x$', `^${'a*'.repeat(90)}b$`])
      assert.equal(pattern(source)(`${'a'.repeat(99)}!`), false)
    assert.ok(performance.now() - begun < 1000)
  })

  for (const [source, why] of [
    ['\\d+', /begin with \^/],
    ['^a', /end with \$/],
    ['^a$b$', /\$ before its end/],
    ['^(a$', /without its \)/],
    ['^a)$', /without its \(/],
    ['^(?=a)$', /only \(\?: is known/],
    ['^(a)\\1$', /\\1, which is not known/],
    ['^a**$', /two repetitions/],
    ['^*a$', /means nothing/],
    ['^[a$', /without its \]/],
    ['^[z-a]$', /range z-a/],
    ['^a{3,2}$', /backwards/],
    ['^(a{50}){50}$', /repeats too much/],
    [`^${'a'.repeat(300)}$`, /longer than/],
    [`^${'('.repeat(30)}a${')'.repeat(30)}$`, /too deeply/],
  ] as const)
    it(`${source.slice(0, 30)} is refused, with the reason`, () => {
      assert.throws(
        () => pattern(source),
        (error: unknown) => error instanceof PatternError && why.test(error.message),
      )
    })
})
