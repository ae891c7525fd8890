import assert from 'node:assert/strict'
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { textOf, withoutHoles } from '../../lib/base/tail.ts'
import { directory } from '../fixtures/state.ts'

describe('what a command printed', () => {
  it('is read in part, however long its file is', t => {
    const file = join(directory(t), 'output')
    writeFileSync(file, 'first\n')
    const open = openSync(file, 'r+')
    writeSync(open, 'last\n', 6 * 1024 ** 3)
    closeSync(open)
    assert.equal(textOf(file, 'first', 4096), 'first\n')
    assert.equal(textOf(file, 'last', 4096), 'last\n')
    assert.equal(textOf(`${file}.none`, 'last', 4096), '')
  })

  it('is what is there besides holes', () => {
    const zeros = (many: number) => '\0'.repeat(many)
    for (const [text, without] of [
      ['', ''],
      ['a\0b', 'a\0b'],
      [`a${zeros(2047)}b`, `a${zeros(2047)}b`],
      [`a${zeros(5000)}b`, 'ab'],
      [`${zeros(5000)}a${zeros(5000)}b\0${zeros(5000)}`, 'ab'],
      [zeros(5000), ''],
    ] as const) {
      assert.equal(withoutHoles(Buffer.from(text)).toString(), without)
    }
  })
})
