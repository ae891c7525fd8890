/** What programs say of themselves, as one page: whatever they say, the page stays one that Prometheus reads. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ownMetrics } from '../../lib/attend/metrics/own-metrics.ts'
import { textOf } from '../../lib/attend/metrics/text.ts'
import { parseOwn } from '../../lib/state/figures/own.ts'

/** The page, and what was said about it. Each text is of a partition of its own, numbered from 0. */
function pageOf(...texts: readonly string[]) {
  const said: string[] = []
  const all = texts.map((text, at) => ({ own: parseOwn(text), labels: { node: 'n1', partition: String(at) } }))
  const page = textOf(
    ownMetrics(all, line => said.push(line)),
    'plain',
  )
  return { lines: page.trimEnd().split('\n'), said }
}

describe('what programs say, on one page', () => {
  const renamed: [what: string, line: string, labels: string][] = [
    ['one that watchbill has too', 'lag{partition="x"} 1', 'exported_partition="x"'],
    ['a value that looks like one', 'lag{of="a,node=\\"b\\""} 1', 'of="a,node=\\"b\\""'],
    [
      'one that watchbill has too, and its new name as well',
      'lag{exported_node="x",node="y"} 1',
      'exported_node="x",exported_exported_node="y"',
    ],
  ]
  for (const [what, line, labels] of renamed) {
    it(`keeps each label name once: ${what}`, () => {
      assert.equal(pageOf(line).lines[1], `lag{node="n1",partition="0",${labels}} 1`)
    })
  }

  const histogram = '# TYPE took histogram\ntook_bucket{le="+Inf"} 1\ntook_sum 2\ntook_count 1'
  const contradictions: [what: string, texts: string[], said: RegExp, named: string[]][] = [
    ['a histogram and a plain part of it', [histogram, 'took_count 1'], /took_count .* a part of took/, ['took']],
    ['the same in another order', ['took_count 1', histogram], /took_count .* a part of took/, ['took']],
    [
      'a gauge and a histogram',
      ['# TYPE took gauge\ntook 1', histogram, 'took_count 1'],
      /took is a gauge of one partition and a histogram/,
      ['took', 'took_count'],
    ],
  ]
  for (const [what, texts, why, named] of contradictions) {
    it(`names each metric once, after nothing that belongs to it: ${what}`, () => {
      const { lines, said } = pageOf(...texts)
      assert.match(said.join('\n'), why)
      const heads = lines.flatMap((line, at) => (line.startsWith('# TYPE') ? [[line.split(' ')[2] as string, at]] : []))
      assert.deepEqual(
        heads.map(([name]) => name),
        named,
      )
      for (const [name, at] of heads)
        assert.ok(!lines.slice(0, at as number).some(line => line.startsWith(`${name}{`)), lines.join('\n'))
    })
  }

  it('has a sample once, in whatever order its labels stand', () => {
    const { lines } = pageOf('lag{a="1",b="2"} 1\nlag{ b="2", a="1" } 2')
    assert.deepEqual(lines, ['# TYPE lag untyped', 'lag{node="n1",partition="0",b="2",a="1"} 2'])
  })
})
