import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { roster } from '../../lib/roster/roster.ts'
import { avoiding } from '../../lib/roster/rules/cool-down.ts'

const member = (instance: string, over = {}) => ({ instance, weight: 1, maxPartitions: null, ...over })
const loadsOf = (assignment: ReadonlyMap<string, string>) => {
  const groups = Map.groupBy(assignment.values(), instance => instance)
  return Object.fromEntries([...groups].map(([instance, all]) => [instance, all.length]))
}

describe('a partition that a member must not have', () => {
  it('goes to the one with fewer', () => {
    const before = new Map([
      ['0', 'a'],
      ['1', 'a'],
      ['2', 'b'],
    ] as const)
    assert.deepEqual(
      avoiding(new Map(before), [member('a'), member('b')], new Map([['0', 'a']])),
      new Map([...before, ['0', 'b']]),
    )
  })

  it('is exchanged for another where the loads are equal', () => {
    const after = avoiding(
      new Map([
        ['0', 'a'],
        ['1', 'a'],
        ['2', 'b'],
        ['3', 'b'],
      ]),
      [member('a'), member('b')],
      new Map([['0', 'a']]),
    )
    assert.equal(after.get('0'), 'b')
    assert.deepEqual(loadsOf(after), { a: 2, b: 2 })
  })

  it('stays when there is nobody else', () => {
    assert.deepEqual(avoiding(new Map([['0', 'a']]), [member('a')], new Map([['0', 'a']])), new Map([['0', 'a']]))
  })

  it('does not go beyond another one’s maxPartitions', () => {
    const after = avoiding(
      new Map([
        ['0', 'a'],
        ['1', 'a'],
        ['2', 'b'],
      ]),
      [member('a'), member('b', { maxPartitions: 1 })],
      new Map([['0', 'a']]),
    )
    assert.deepEqual(loadsOf(after), { a: 2, b: 1 })
    assert.equal(after.get('0'), 'b')
  })

  it('stands still: the roster of those who hold it so is the same again', () => {
    const some = fc.record({
      members: fc.integer({ min: 2, max: 6 }),
      partitions: fc.integer({ min: 1, max: 30 }),
      avoid: fc.uniqueArray(fc.tuple(fc.nat(29), fc.nat(5)), { maxLength: 4, selector: ([id]) => id }),
    })
    fc.assert(
      fc.property(some, ({ members, partitions, avoid }) => {
        const crew = Array.from({ length: members }, (_, n) => member(`m${n}`))
        const ids = Array.from({ length: partitions }, (_, n) => String(n))
        const avoided = new Map(avoid.map(([id, who]) => [String(id), `m${who}`]))
        const first = avoiding(roster(crew, ids, new Map()), crew, avoided)
        const loads = crew.map(({ instance }) => loadsOf(first)[instance] ?? 0)
        assert.equal(first.size, partitions)
        assert.ok(Math.max(...loads) - Math.min(...loads) <= 1, `loads ${loads}`)
        for (const [id, who] of avoided) if (first.has(id)) assert.notEqual(first.get(id), who)
        assert.deepEqual(avoiding(roster(crew, ids, first), crew, avoided), first)
      }),
      // Two that are given away in exchange for each other.
      {
        examples: [
          [
            {
              members: 6,
              partitions: 30,
              avoid: [
                [6, 1],
                [4, 5],
              ],
            },
          ],
        ],
      },
    )
  })
})
