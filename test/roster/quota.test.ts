import assert from 'node:assert/strict'
import { test } from 'node:test'
import { quotas, targets } from '../../lib/roster/quota.ts'

/** Members from their weights, or from [weight, maxPartitions]. */
function crew(...members: (number | [number, number])[]) {
  return members.map((member, at) => {
    const [weight, maxPartitions] = typeof member === 'number' ? [member, null] : member
    return { instance: `m${at}`, weight, maxPartitions }
  })
}

const quotaCases: [string, ReturnType<typeof crew>, number, number[]][] = [
  ['equal weights share equally', crew(1, 1, 1, 1), 10, [2.5, 2.5, 2.5, 2.5]],
  ['weights 1:2:4', crew(1, 2, 4), 7, [1, 2, 4]],
  ['only the proportion of weights counts', crew(10, 30), 8, [2, 6]],
  ['decimal weights that only nearly add up give whole numbers', crew(0.1, 0.2, 0.7), 10, [1, 2, 7]],
  ['thirds', crew(0.1, 0.1, 0.1), 9, [3, 3, 3]],
  ['nothing to share', crew(1, 2), 0, [0, 0]],
  ['nobody to share it', [], 5, []],
  ['a cap that is never reached changes nothing', crew([1, 9], 1), 4, [2, 2]],
  ['what does not fit under a cap goes to the others by weight', crew([4, 1], 1, 2), 7, [1, 2, 4]],
  ['a cap that is reached only because of another', crew([1, 2], [1, 4], 1), 12, [2, 4, 6]],
  ['a cap of 0 takes no part', crew([1, 0], 1), 4, [0, 4]],
  ['everybody full', crew([1, 2], [5, 3]), 9, [2, 3]],
  ['a cap that is exactly the quota', crew([1, 2], 1, 1), 6, [2, 2, 2]],
  ['weights of very different size', crew(1e12, 1, [1, 0]), 10_000, [9999.99999999, 0.00000001, 0]],
]
for (const [name, members, count, expected] of quotaCases) {
  test(`quotas: ${name}`, () => {
    const quota = quotas(members, count)
    assert.equal(quota.length, expected.length)
    for (const [at, share] of quota.entries()) {
      // What is to be whole must be exactly that: a floor is taken of it.
      const exact = expected[at] as number
      assert.ok(exact % 1 ? Math.abs(share - exact) < 1e-9 : share === exact, `${quota}`)
    }
  })
}

const nothing = [0, 0, 0]
const targetCases: [string, number[], number[], number[], number[]][] = [
  ['whole quotas are the targets', [1, 2, 4], [4, 2, 1], nothing, [1, 2, 4]],
  ['the one more goes to who holds it already', [1.5, 1.5, 1], [0, 2, 1], [9, 0, 0], [1, 2, 1]],
  ['among those who hold more, to the larger fraction', [1.2, 1.3, 0.5], [2, 2, 0], nothing, [1, 2, 0]],
  ['nobody holds more: to the larger fraction', [1.2, 1.3, 0.5], [1, 1, 0], nothing, [1, 1, 1]],
  ['equal fractions: to who is asked for most', [1.5, 1.5, 1], [1, 1, 1], [0, 1, 0], [1, 2, 1]],
  ['nothing else to tell them apart: to the first', [1.5, 1.5, 1], [1, 1, 1], nothing, [2, 1, 1]],
  ['a whole quota is never exceeded, whatever is held', [3, 0.5, 0.5], [4, 0, 0], [9, 0, 0], [3, 1, 0]],
]
for (const [name, quota, held, asked, expected] of targetCases) {
  test(`targets: ${name}`, () => assert.deepEqual(targets(quota, held, asked), expected))
}
