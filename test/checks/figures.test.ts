/** Checks of figures. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { quantity } from '../../lib/base/quantity.ts'
import { judged, ownFigure } from '../../lib/checks/figures.ts'
import { type CheckState, fresh } from '../../lib/checks/state.ts'
import type { FigureCheck } from '../../lib/definition/checks.ts'
import { parseDefinition } from '../../lib/definition/load.ts'
import { parseOwn } from '../../lib/state/figures/own.ts'

const check = { intervalMs: 10_000 }

/** The status after each value, 10 s apart; a pair has another time, s. */
function statuses(figure: Omit<FigureCheck, 'metric'>, values: readonly (number | null | [number, number])[]): string {
  let state: CheckState = fresh('x', 0, 0)
  let now = 0
  return values
    .map(given => {
      const [value, after] = Array.isArray(given) ? given : [given, 10]
      now += after * 1000
      state = judged(state, check, { metric: 'lag', ...figure }, value, now)
      return state.status[0]
    })
    .join('')
}

describe('a check of a figure', () => {
  const cases: [
    what: string,
    figure: Omit<FigureCheck, 'metric'>,
    values: Parameters<typeof statuses>[1],
    is: string,
  ][] = [
    ['above its bound is critical, at it is not', { above: 5 }, [4, 5, 6, 5], 'ppcp'],
    ['below its bound is critical, at it is not', { below: 5 }, [6, 5, 4, 5], 'ppcp'],
    ['outside of both is critical', { above: 5, below: 2 }, [1, 2, 5, 6], 'cppc'],
    ['that is not known is no reason to act', { above: 5 }, [6, null, 6], 'cpc'],
    ['that stood still is critical, until it moves', { unchangedMs: 30_000 }, [7, 7, 7, 7, 7, 8, 8], 'pppccpp'],
    ['that was not known meanwhile did not stand still', { unchangedMs: 30_000 }, [7, 7, 7, null, 7, 7], 'pppppp'],
    ['that nobody looked at meanwhile did not, either', { unchangedMs: 30_000 }, [7, 7, [7, 120], 7], 'pppp'],
    ['that stands still at 0 is standing still', { unchangedMs: 20_000 }, [0, 0, 0], 'ppc'],
  ]
  for (const [what, figure, values, is] of cases) it(what, () => assert.equal(statuses(figure, values), is))

  it('tells the value only when it is bad', () => {
    const told = (value: number) => judged(fresh('x', 0, 0), check, { metric: 'lag', above: 5 }, value, 1).output
    assert.deepEqual([told(3), told(6)], ['lag is within its bounds', 'lag is 6, above 5'])
  })
})

describe('a figure of the program’s own', () => {
  const own = parseOwn('lag{topic="a",partition="7"} 3\nlag{topic="b",partition="8"} 4\nbroken NaN\n')
  const cases: [what: string, metric: string, partition: string | null, value: number | null][] = [
    ['with its labels', 'lag{topic="a",partition="7"}', null, 3],
    ['is the sum of all with its name', 'lag', null, 7],
    ['of one process for all is that about the partition', 'lag', '8', 4],
    ['that it does not say is not known', 'lead', null, null],
    ['that is no number is not known', 'broken', null, null],
  ]
  for (const [what, metric, partition, value] of cases)
    it(what, () => assert.equal(ownFigure(own, metric, partition), value))
  it('of one process for all is not that about a partition of another kind', () => {
    const text =
      'lag{source_partition="7",partition = "8"} 3\nlag{partition="a \\"b\\""} 4\nlag{of="partition=\\"7\\""} 5\n'
    const all = ['7', '8', 'a "b"'].map(partition => ownFigure(parseOwn(text), 'lag', partition))
    assert.deepEqual(all, [null, 3, 4])
  })
  it('is not known without a file', () => assert.equal(ownFigure(null, 'lag', null), null))
})

describe('a definition with a check of a figure', () => {
  const text = (checks: unknown) =>
    JSON.stringify({ name: 's', partitions: { range: [0, 1] }, run: { command: ['x'] }, checks: [checks] })
  const refusal = async (checks: unknown) => {
    const outcome = await parseDefinition(text(checks), 's.json').catch((error: Error) => error)
    return outcome instanceof Error ? outcome.message : ''
  }

  it('holds its bounds in base units', async () => {
    const given = { name: 'memory', metric: 'memory', above: '500MB', below: 1, unchangedFor: '5m' }
    const [own] = (await parseDefinition(text(given), 's.json')).checks
    assert.deepEqual(own?.figure, { metric: 'memory', above: 500_000_000, below: 1, unchangedMs: 300_000 })
    assert.deepEqual([own?.ttlMs, own?.command], [null, null])
  })

  const bad: [what: string, checks: unknown, why: RegExp][] = [
    ['a bound alone', { name: 'x', ttl: '5s', above: 3 }, /a bound without a metric/],
    ['a metric alone', { name: 'x', metric: 'memory' }, /a metric without a bound/],
    ['a metric and a command', { name: 'x', metric: 'memory', above: 1, command: ['a'] }, /more than one or none/],
    ['an unknown unit', { name: 'x', metric: 'memory', above: '5 apples' }, /a number, or one with a unit/],
  ]
  for (const [what, checks, why] of bad)
    it(`is refused with ${what}`, async () => assert.match(await refusal(checks), why))

  it('takes amounts as people write them', () => {
    const amounts = ['1.5', '500MB', '2 GiB', '10kB', '-3', '5 apples', '', 'MB', '1e3']
    assert.deepEqual(amounts.map(quantity), [1.5, 500_000_000, 2_147_483_648, 10_000, -3, null, null, null, null])
  })
})
