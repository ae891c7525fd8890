import assert from 'node:assert/strict'
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  openSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { capOutputs } from '../../lib/guard/cap-output.ts'
import { printed, printedSince } from '../../lib/operate/output/printed.ts'
import { directory } from '../fixtures/state.ts'

const outputOf = (t: TestContext) => join(directory(t), 'output')

/** What the guard does with an output that is too long. */
function putAside(output: string): void {
  copyFileSync(output, `${output}.1`)
  truncateSync(output)
}

/** Everything that a reader who follows is shown from now on; each call looks once more. */
function follower(output: string): () => string {
  let { place } = printed(output, 0)
  return () => {
    const next = printedSince(output, place)
    place = next.place
    return next.bytes.toString()
  }
}

describe('what was printed', () => {
  it('is what was put aside, and what came then', t => {
    const output = outputOf(t)
    writeFileSync(output, 'one\n')
    putAside(output)
    appendFileSync(output, 'two\n')
    assert.equal(printed(output, null).bytes.toString(), 'one\ntwo\n')
  })

  const cases: [string, number, string][] = [
    ['a\nb\nc\n', 0, ''],
    ['a\nb\nc\n', 1, 'c\n'],
    ['a\nb\nc\n', 2, 'b\nc\n'],
    ['a\nb\nc\n', 3, 'a\nb\nc\n'],
    ['a\nb\nc\n', 9, 'a\nb\nc\n'],
    ['a\nb', 1, 'b'],
    ['a\nb', 2, 'a\nb'],
    ['\n\n\n', 2, '\n\n'],
    ['\n\n\n', 9, '\n\n\n'],
    ['\n', 1, '\n'],
    ['x', 1, 'x'],
    ['', 1, ''],
  ]
  for (const [text, lines, last] of cases) {
    it(`has ${JSON.stringify(last)} as the last ${lines} lines of ${JSON.stringify(text)}`, t => {
      const output = outputOf(t)
      writeFileSync(output, text)
      assert.equal(printed(output, lines).bytes.toString(), last)
    })
  }

  it('is nothing where there is nothing', t => assert.equal(printed(outputOf(t), null).bytes.length, 0))

  it('cannot be told of what is no file', t => {
    assert.throws(() => printed(directory(t), null), {
      name: 'Temporary',
      message: /^cannot read .*; mend the state directory/,
    })
  })
})

describe('what is printed while somebody follows', () => {
  it('is shown once', t => {
    const output = outputOf(t)
    writeFileSync(output, 'before\n')
    const more = follower(output)
    assert.equal(more(), '')
    appendFileSync(output, 'one\n')
    assert.equal(more(), 'one\n')
    appendFileSync(output, 'two\nthr')
    assert.equal(more(), 'two\nthr')
    appendFileSync(output, 'ee\n')
    assert.equal(more(), 'ee\n')
    assert.equal(more(), '')
  })

  it('is shown whole when it is put aside meanwhile', t => {
    const output = outputOf(t)
    writeFileSync(output, 'before\n')
    const more = follower(output)
    appendFileSync(output, 'one\n')
    putAside(output)
    appendFileSync(output, 'two\n')
    assert.equal(more(), 'one\ntwo\n')
    assert.equal(more(), '')
  })

  it('is shown whole when what comes after that is longer than what was before', t => {
    const output = outputOf(t)
    writeFileSync(output, 'before\n')
    const more = follower(output)
    putAside(output)
    const long = 'so much more\n'.repeat(500)
    appendFileSync(output, long)
    assert.equal(more(), long)
  })

  it('is shown as far as it is there when it was put aside twice', t => {
    const output = outputOf(t)
    writeFileSync(output, 'before\n'.repeat(100))
    const more = follower(output)
    for (const text of ['lost\n', 'aside\n']) {
      putAside(output)
      appendFileSync(output, text)
    }
    putAside(output)
    appendFileSync(output, 'now\n')
    assert.equal(more(), 'aside\nnow\n')
  })

  it('is shown from the beginning once the partition comes back after it was removed', t => {
    const output = outputOf(t)
    writeFileSync(output, 'before\n')
    const more = follower(output)
    rmSync(output)
    assert.equal(more(), '')
    writeFileSync(output, 'again\n')
    assert.equal(more(), 'again\n')
  })

  it('is shown once when only its end was put aside', t => {
    const output = outputOf(t)
    const lines = (from: number) => Array.from({ length: 80_000 }, (_, n) => `line ${from + n}\n`).join('')
    writeFileSync(output, lines(0))
    const more = follower(output)
    appendFileSync(output, lines(80_000))
    capOutputs([output], line => assert.fail(line))
    appendFileSync(output, 'after\n')
    assert.equal(more(), `${lines(80_000)}after\n`)
  })

  it('is shown without the hole that a writer with an offset of its own leaves', t => {
    const output = outputOf(t)
    writeFileSync(output, 'before\n')
    const more = follower(output)
    truncateSync(output)
    const file = openSync(output, 'r+')
    t.after(() => closeSync(file))
    const at = (offset: number, text: string) => writeSync(file, text, 6 * 1024 ** 3 + offset)
    at(0, 'one\n')
    assert.equal(more(), 'one\n')
    at(4, 'two\n')
    assert.equal(more(), 'two\n')
    assert.equal(printed(output, null).bytes.toString(), 'one\ntwo\n')
  })
})
