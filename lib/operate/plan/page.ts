/** Prints an outlook as tables. Pure. */

import { table } from '../../base/table.ts'
import type { Outlook } from './moves.ts'

export function outlookLines({ service, moves, unplaced, instances }: Outlook): string[] {
  const some = (count: number, one: string, many: string) => `${count} ${count === 1 ? one : many}`
  const without = unplaced.length > 0 ? `; ${some(unplaced.length, 'has', 'have')} no place` : ''
  const head = `${service}: ${moves.length === 0 ? 'nothing would move' : `${some(moves.length, 'partition', 'partitions')} would move`}${without}`
  const moved = new Set(moves.map(({ partition }) => partition))
  const staying = unplaced.filter(({ partition }) => !moved.has(partition))
  const rows = [
    ...moves.map(({ partition, from, to, meanwhile, why }) => [
      ...[partition, from ?? '-', to ?? '-'],
      meanwhile === undefined ? why : `${why}; ${meanwhile} has it meanwhile`,
    ]),
    ...staying.map(({ partition, why }) => [partition, '-', '-', why]),
  ]
  const loads = instances.map(({ instance, now, after }) => [instance, String(now), String(after)])
  return [
    head,
    ...(rows.length > 0 ? table(['PARTITION', 'FROM', 'TO', 'WHY'], rows) : []),
    ...table(['INSTANCE', 'NOW', 'AFTER'], loads),
  ]
}
