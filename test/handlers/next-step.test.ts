import assert from 'node:assert/strict'
import { it } from 'node:test'
import { keysOf } from '../../lib/base/names.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { runProgram } from './support/programs.ts'

const unknown: [program: string, words: readonly string[], code: number][] = [
  ['owner', ['none'], 100],
  ['hold', ['none'], 100],
  ['partitions', ['remove', 'none'], 1],
]

for (const [program, words, code] of unknown) {
  it(`${program} of a partition that is none names a command that can be typed as it is`, async t => {
    const { consul, memory } = await fakeConsul(t)
    memory.put(keysOf('my work').revision, '{}')
    const args = ['my work', ...words, '--http-addr', consul.address.origin]
    const ran = await runProgram(program, { args, stdin: '' })
    assert.equal(ran.code, code, ran.stderr)
    assert.match(ran.stdout + ran.stderr, /; see watchbill partitions 'my work'\n$/)
  })
}
