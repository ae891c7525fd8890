import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { allRows, newestRows, type Ring, type Row, sizeOf, widthOf, writeRow } from '../../../lib/state/figures/ring.ts'
import { instanceRing, ownRing, partitionRing } from '../../../lib/state/figures/rings.ts'
import { stateOf } from '../../fixtures/state.ts'

const ring: Ring = { kind: 'test', columns: { memory: 8, files: 6 }, rows: 5, every: 1000, text: 60 }

function fileIn(t: TestContext): string {
  const { instanceRing: file } = stateOf(t)
  mkdirSync(dirname(file), { recursive: true })
  return file
}

function row(boot: number, figures: Row['figures'] = {}, text = ''): Row {
  return { boot, at: 1_700_000_000, figures, text }
}

function instead(file: string, make: () => void): void {
  rmSync(file)
  make()
}

/** The boot times of the rows that are read. */
function boots(file: string, now: number): number[] {
  return allRows(file, ring, now).map(({ boot }) => boot)
}

describe('a ring file', () => {
  it('gives back what was written, and explains itself', t => {
    const file = fileIn(t)
    assert.equal(writeRow(file, ring, row(1500, { memory: 4096, files: 7.6 }, 'lag=3')), 'made')
    const read = row(1500, { memory: 4096, files: 8 }, 'lag=3')
    assert.deepEqual(newestRows(file, ring, 1600, 2), [read])
    const [head, columns] = readFileSync(file, 'latin1').split('\n')
    assert.match(head as string, /^watchbill test 1 [0-9a-f-]{36} 5 1000 *$/)
    assert.match(columns as string, /^ +boot +at +memory +files figures *$/)
  })

  it('keeps its size, and the newest rows only', t => {
    const file = fileIn(t)
    for (let boot = 1500; boot < 20_000; boot += 1000) writeRow(file, ring, row(boot))
    assert.equal(statSync(file).size, sizeOf(ring))
    assert.deepEqual(boots(file, 19_600), [15_500, 16_500, 17_500, 18_500, 19_500])
  })

  it('leaves out rows that are older than its time, of a tick that did not come', t => {
    const file = fileIn(t)
    for (const boot of [1500, 2500, 9500]) writeRow(file, ring, row(boot))
    assert.deepEqual(boots(file, 9600), [9500])
  })

  it('leaves out a number that is too long, or not known', t => {
    const file = fileIn(t)
    writeRow(file, ring, row(1500, { memory: 123_456_789, files: Number.NaN }))
    assert.deepEqual(newestRows(file, ring, 1600, 1), [row(1500)])
  })

  it('reads over rows that are garbled', t => {
    const file = fileIn(t)
    for (const boot of [1500, 2500, 3500]) writeRow(file, ring, row(boot))
    const bytes = readFileSync(file)
    bytes.fill('x', widthOf(ring) * 4 + 5, widthOf(ring) * 4 + 9)
    writeFileSync(file, bytes)
    assert.deepEqual(boots(file, 3600), [1500, 3500])
  })
})

/** What a link in the place of a ring leads to. */
function victimOf(file: string): string {
  const victim = `${file}.victim`
  if (!existsSync(victim)) writeFileSync(victim, 'its own')
  return victim
}

describe('a file in the place of a ring', () => {
  const faults: [what: string, break_: (file: string) => void][] = [
    ['is cut short', file => truncateSync(file, 200)],
    ['is empty', file => truncateSync(file, 0)],
    ['is longer', file => writeFileSync(file, 'more', { flag: 'a' })],
    ['has another head', file => writeFileSync(file, 'x', { flag: 'r+' })],
    ['has other columns', file => writeFileSync(file, readFileSync(file, 'latin1').replace('memory', 'mammal'))],
    ['is a link', file => instead(file, () => symlinkSync(victimOf(file), file))],
    ['is a pipe', file => instead(file, () => execFileSync('mkfifo', [file]))],
  ]
  for (const [what, break_] of faults) {
    it(`that ${what} is begun anew, and that is told`, t => {
      const file = fileIn(t)
      writeRow(file, ring, row(1500))
      break_(file)
      assert.deepEqual(boots(file, 1600), [], 'nothing is believed')
      assert.equal(writeRow(file, ring, row(2500)), 'anew')
      assert.deepEqual(boots(file, 2600), [2500])
      assert.equal(writeRow(file, ring, row(3500)), 'kept')
      assert.equal(readFileSync(victimOf(file), 'utf8'), 'its own', 'no link is followed')
    })
  }

  it('that another boot wrote is begun anew without a word', t => {
    const file = fileIn(t)
    writeRow(file, ring, row(1500))
    const other = '00000000-0000-4000-8000-000000000000'
    writeFileSync(file, readFileSync(file, 'latin1').replace(/[0-9a-f-]{36}/, other))
    assert.deepEqual(boots(file, 1600), [])
    assert.equal(writeRow(file, ring, row(2500)), 'made')
  })

  it('that cannot be made leaves nothing behind', t => {
    const file = fileIn(t)
    mkdirSync(file)
    assert.throws(() => writeRow(file, ring, row(1500)))
    assert.ok(!existsSync(`${file}.new`))
  })
})

describe('the rings of an instance', () => {
  it('hold an hour, in files of a fixed size', () => {
    const sizes = [instanceRing(2000), partitionRing, ownRing].map(one => [one.rows * one.every, sizeOf(one)])
    assert.deepEqual(sizes, [
      [3_600_000, 347_786],
      [3_600_000, 18_422],
      [3_600_000, 62_586],
    ])
  })

  it('have as many rows as the guard has ticks in an hour', () => {
    const ticks = [1000, 2000, 6000].map(interval => instanceRing(interval).rows)
    assert.deepEqual(ticks, [3600, 1800, 600])
  })
})
