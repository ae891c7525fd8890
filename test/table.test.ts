import assert from 'node:assert/strict'
import { it } from 'node:test'
import { table as lines } from '../lib/base/table.ts'

const table = (...given: Parameters<typeof lines>) => lines(...given).join('\n')

it('makes columns as wide as their widest cell', () => {
  assert.equal(
    table(
      ['id', 'state'],
      [
        ['7', 'running'],
        ['lang', 'x'],
      ],
    ),
    'id    state\n7     running\nlang  x',
  )
})

it('counts characters, not bytes or halves of them', () => {
  assert.equal(
    table(
      ['a', 'b'],
      [
        ['ü', '1'],
        ['😀😀', '2'],
      ],
    ),
    'a   b\nü   1\n😀😀  2',
  )
})

it('leaves no trailing spaces, and takes short rows', () => {
  assert.equal(table(['a', 'b'], [['1'], ['2', '']]), 'a  b\n1\n2')
})

it('is its head when there are no rows', () => assert.equal(table(['a', 'b'], []), 'a  b'))
