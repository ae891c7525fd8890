import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { bootClock } from '../../../lib/base/clock.ts'
import type { Process } from '../../../lib/machine/identity.ts'
import { labelsIn, mostOwn, ownFrom, ownText, parseOwn, readOwn } from '../../../lib/state/figures/own.ts'

const own = join(import.meta.dirname, '../../../lib/state/figures/own.ts')

const said = `# HELP lag Messages behind.
# TYPE lag gauge
lag{topic="a b",quoted="x\\"y"} 12
lag 3.5e2 1700000000
# TYPE seen counter
seen_total 4 # {trace="x"} 1
up +Inf
# EOF
`

describe('what a program says of itself', () => {
  it('is read as OpenMetrics and as Prometheus’ text format', () => {
    const { samples, families, bad } = parseOwn(said)
    assert.deepEqual(samples, [
      { name: 'lag', labels: 'topic="a b",quoted="x\\"y"', value: 12 },
      { name: 'lag', labels: '', value: 350 },
      { name: 'seen_total', labels: '', value: 4 },
      { name: 'up', labels: '', value: Infinity },
    ])
    assert.deepEqual(families.get('lag'), { help: 'Messages behind.', type: 'gauge' })
    assert.deepEqual(bad, [])
  })

  it('names the lines that are none', () => {
    const { samples, bad } = parseOwn('lag\nlag{x=1} 2\nlag 0x10\nlag 1 2 3\nwatchbill_guard_runs_total 1\nlag 4')
    assert.deepEqual(bad, ['lag', 'lag{x=1} 2', 'lag 0x10'])
    assert.deepEqual(
      samples.map(({ value }) => value),
      [4],
    )
  })

  // For each of these Prometheus, or node_exporter, would refuse all that is on the page.
  const refused: [what: string, line: string][] = [
    ['without a comma between labels', 'lag{a="1" b="2"} 1'],
    ['with a label twice', 'lag{a="1",a="2"} 1'],
    ['with a label of Prometheus’ own', 'lag{__name__="watchbill_partition_up"} 1'],
    ['with an escape that there is not', 'lag{a="\\x"} 1'],
    ['with a bucket whose bound is no number', 'lag_bucket{le="many"} 1'],
    ['with a word of JavaScript as its value', 'lag constructor'],
    ['with a comma alone twice', 'lag{a="1",,} 1'],
  ]
  for (const [what, line] of refused)
    it(`is no line ${what}`, () => assert.deepEqual(parseOwn(line), { samples: [], families: new Map(), bad: [line] }))

  it('may have spaces about its labels, and a comma after them', () => {
    const { samples, bad } = parseOwn('lag{ a = "1" , b="x,c=\\"y\\"", } 1\nlag{} 2\nlag{le="+Inf"} 3')
    assert.deepEqual(
      samples.map(({ labels }) => labelsIn(labels)),
      [[...Object.entries({ a: '1', b: 'x,c="y"' })], [], [['le', '+Inf']]],
    )
    assert.deepEqual(bad, [])
  })

  // The guard's tick waits for it: a tick that takes longer than the lease costs the session.
  const long: [what: string, line: string][] = [
    ['many labels without commas', `lag{${'a="" '.repeat(9000)}!} 1`],
    ['many labels', `lag{${'a="",'.repeat(9000)}!} 1`],
    ['many spaces', `lag{a=""${' '.repeat(60_000)}!} 1`],
    ['many digits', `lag ${'1'.repeat(60_000)}x`],
    ['many escapes', `lag{a="${'\\"'.repeat(30_000)}`],
    ['many spaces in a value', `lag{a="${' '.repeat(60_000)}"} 1`],
    ['spaces behind the value', `lag 1${' '.repeat(60_000)}x`],
  ]
  for (const [what, line] of long) {
    it(`is read at once, whatever it is: ${what}`, () => {
      // In a process of its own: nothing else could end a pattern that goes on for hours.
      const program = `import { parseOwn } from '${own}'; parseOwn(process.argv[1])`
      const args = ['--input-type=module-typescript', '-e', program, '--']
      const { error, stderr } = spawnSync(process.execPath, [...args, line], { timeout: 10_000, encoding: 'utf8' })
      assert.deepEqual([error, stderr], [undefined, ''])
    })
  }

  it('is no line when it would act on a terminal', () => {
    const { samples, families, bad } = parseOwn('lag{x="\u001b[2J"} 1\n# HELP lag \u202e\nlag\t2')
    assert.deepEqual([samples.length, families.size, bad.length], [1, 0, 2])
  })

  it('is kept in a row with its labels, and read from it', () => {
    const { samples } = parseOwn(said)
    const text = ownText(samples, 487)
    assert.match(text, /^[!-~ ]+$/)
    assert.deepEqual(ownFrom(text), { 'lag{topic="a b",quoted="x\\"y"}': 12, lag: 350, seen_total: 4, up: Infinity })
    assert.deepEqual(ownFrom(ownText(samples, 12)), { lag: 350 }, 'what has no room is left out')
  })

  const places: [what: string, make: (file: string) => void, bad: RegExp][] = [
    ['a pipe', file => execFileSync('mkfifo', [file]), /^it is no file$/],
    ['a link', file => symlinkSync('/etc/passwd', file), /^it is no file$/],
    ['too long', file => writeFileSync(file, `lag ${'1'.repeat(mostOwn)}`), /^it has 65540 bytes, and may have 65536$/],
  ]
  for (const [what, make, bad] of places) {
    it(`is not read when it is ${what}`, t => {
      const file = place(t)
      make(file)
      assert.match(readOwn(file, runs())?.bad[0] ?? '', bad)
    })
  }

  it('is nothing where there is no file', t => assert.equal(readOwn(place(t), runs()), null))

  it('says nothing about a process that started after it was written', t => {
    const file = place(t)
    writeFileSync(file, 'lag 1\n')
    assert.equal(readOwn(file, runs())?.samples.length, 1)
    assert.equal(readOwn(file, runs(bootClock() + 200)), null)
  })
})

/** A process that started then, boot clock, ms. */
function runs(at = bootClock() - 60_000): Process {
  return { pid: 1, start: String(Math.floor(at / 10)) }
}

function place(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'watchbill-own-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return join(directory, 'metrics')
}
