/** Makes a page of `status` fit one screen, and counts what that leaves out. Pure. */
import { shellWord } from '../../base/printable.ts'
import type { Choice } from './choose.ts'
import { states } from './partitions.ts'
import type { Status } from './status.ts'

/** Rows with the lines of each; the first is the head of its table. */
export interface Cut {
  readonly instances: readonly (readonly string[])[]
  readonly partitions: readonly (readonly string[])[]
}

/** The smallest number of lines for both tables: a screen that is lower scrolls. */
const fewest = 6

/** Instances get a third of the lines, and what the partitions do not need. @param room in lines */
export function cut({ instances, partitions }: Cut, room: number): Cut {
  const lines = Math.max(fewest, room - 1) // one for what is not shown
  const needed = heightOf(partitions)
  const some = first(instances, Math.max(Math.floor(lines / 3), lines - needed))
  return { instances: some, partitions: first(partitions, lines - heightOf(some)) }
}

function first(rows: Cut['instances'], lines: number): Cut['instances'] {
  let used = 0
  const end = rows.findIndex(row => {
    used += row.length
    return used > lines
  })
  return end < 0 ? rows : rows.slice(0, end)
}

function heightOf(rows: Cut['instances']): number {
  return rows.reduce((sum, row) => sum + row.length, 0)
}

/** One line, or none when everything is shown: "not shown: 4982 running, 97 instances; all: watchbill status svc --all" */
export function notShown(all: Status, shown: Choice): string[] {
  const counts = new Map<string, number>()
  for (const { state } of all.partitions) counts.set(state, (counts.get(state) ?? 0) + 1)
  for (const { state } of shown.partitions) counts.set(state, (counts.get(state) ?? 0) - 1)
  const left = states.flatMap(state => (counts.get(state) ? [`${counts.get(state)} ${state}`] : []))
  const instances = all.instances.length - shown.instances.length
  if (instances > 0) left.push(instances === 1 ? '1 instance' : `${instances} instances`)
  if (left.length === 0) return []
  return [`not shown: ${left.join(', ')}; everything: watchbill status ${shellWord(all.service)} --all`]
}
