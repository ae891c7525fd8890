/** Prints a service for `status`: the whole page, or the one line of `--check`. Pure. */

import { stripVTControlCharacters } from 'node:util'
import { printable } from '../../base/printable.ts'
import { rowsOf } from '../../base/table.ts'
import { listed } from '../../base/text.ts'
import { wrapped } from '../../base/wrap.ts'
import { type Look, painted } from '../../program/terminal.ts'
import { bytes, number } from '../figures/words.ts'
import type { Choice } from './choose.ts'
import { type Cut, cut, notShown } from './cut.ts'
import type { InstanceStatus } from './instances.ts'
import { isGood, type PartitionStatus, type State } from './partitions.ts'
import type { Status } from './status.ts'

/** The most reasons of partitions on the one line. */
const mostReasons = 3

/** All problems of the service with their reasons and next steps, on one line. */
export function checkLine({ summary, problems, remark, partitions }: Status): string {
  return [summary, ...problems, ...reasons(partitions), ...(remark ? [remark] : [])].join('; ')
}

/** One text for each reason, with all partitions that have it. */
function reasons(partitions: readonly PartitionStatus[]): string[] {
  const bad = partitions.filter(one => !isGood(one))
  const groups = [...Map.groupBy(bad, words)]
  const shown = groups.slice(0, mostReasons).map(([why, some]) => `${listed(some.map(one => one.partition))}: ${why}`)
  return groups.length > mostReasons
    ? [...shown, `${groups.length - mostReasons} more reasons: see watchbill status`]
    : shown
}

function words({ state, why }: PartitionStatus): string {
  return why === '' ? state : `${state}, ${why}`
}

/** How it is shown. What is left out is the page as a program reads it: everything, however wide and long. */
export interface Showing {
  readonly choice?: Choice
  /** How wide the terminal is, and how many lines the page may have. */
  readonly columns?: number | undefined
  readonly lines?: number | undefined
  /** Break every line at the terminal's width, so that it is known how many there are; otherwise the terminal does that. */
  readonly broken?: boolean
  readonly colours?: boolean
  /** Partitions that have just changed; undefined where nobody marks any. */
  readonly marked?: ReadonlySet<string> | undefined
  /** Says how much of the service is not shown, and how to see it. */
  readonly counts?: boolean
}

/** @returns lines that may be printed as they are */
export function page(status: Status, showing: Showing = {}): string[] {
  const { choice = status, lines = Number.POSITIVE_INFINITY, columns, colours = false } = showing
  const top = topOf(status, colours, (showing.broken ? columns : undefined) ?? Number.POSITIVE_INFINITY)
  const room = lines - top.reduce((sum, line) => sum + heightOf(line, columns), 0)
  const rows = { instances: instanceRows(status, choice, showing), partitions: partitionRows(status, choice, showing) }
  const { instances, partitions }: Cut = cut(rows, room)
  const shown = {
    instances: choice.instances.slice(0, Math.max(0, instances.length - 1)),
    partitions: choice.partitions.slice(0, Math.max(0, partitions.length - 1)),
  }
  const rest = showing.counts ? notShown(status, shown) : []
  return [...top, ...instances.flat(), ...partitions.flat(), ...rest]
}

/** How many lines the page has when nothing is left out, and none is broken. */
export function lengthOf({ problems, remark, advice, source, scheduler, instances, partitions }: Status): number {
  const single = [remark, advice, source, scheduler].filter(Boolean).length
  return 1 + problems.length + single + 1 + instances.length + 1 + partitions.length
}

function topOf(status: Status, colours: boolean, width: number): string[] {
  const { summary, problems, remark, advice, source, scheduler } = status
  const paint = (text: string, look: Look) => (colours ? painted(text, look) : text)
  const named = (name: string, text: string, look: Look) => {
    const [first = '', ...more] = wrapped(`${name}: ${printable(text)}`, width)
    return [paint(name, look) + first.slice(name.length), ...more]
  }
  return [
    ...wrapped(printable(summary), width).map(line => paint(line, 'bold')),
    ...problems.flatMap(problem => named('problem', problem, 'red')),
    ...(remark ? named('remark', remark, 'yellow') : []),
    ...(advice ? named('to do', advice, 'yellow') : []),
    ...(source ? [printable(`the partitions are fetched by ${source.by}`)] : []),
    ...(scheduler ? [printable(schedulerLine(scheduler))] : []),
  ]
}

function heightOf(line: string, columns = Number.POSITIVE_INFINITY): number {
  return Math.max(1, Math.ceil(stripVTControlCharacters(line).length / columns))
}

function instanceRows({ instances }: Status, choice: Choice, { columns, colours }: Showing): string[][] {
  // Instances that are alone, and those without the permission, publish no figures.
  const areKnown = instances.some(({ figures }) => figures !== null)
  const rows = choice.instances.map(({ instance, state, held, assigned, weight, figures }) => [
    ...[instance, state, String(held), String(assigned), String(weight)],
    ...(areKnown ? [number(figures?.restarts), bytes(figures?.memory), number(figures?.margin)] : []),
  ])
  const head = [
    'INSTANCE',
    'STATE',
    'HOLDS',
    'SHOULD',
    'WEIGHT',
    ...(areKnown ? ['RESTARTS', 'MEMORY', 'MARGIN ms'] : []),
  ]
  const dress = (text: string, row: number, column: number) => {
    const look = column === 1 && row >= 0 ? lookOfInstance(choice.instances[row] as InstanceStatus) : null
    return colours && look !== null ? painted(text, look) : text
  }
  return rowsOf(head, rows, { width: columns, dress })
}

function partitionRows(all: Status, { partitions }: Choice, { columns, colours, marked }: Showing): string[][] {
  const haveVersions = all.partitions.some(({ version }) => version !== null)
  const rows = partitions.map(({ partition, instance, state, why, since, dns, version }) => [
    ...(marked ? [marked.has(partition) ? '*' : ''] : []),
    // The words for a crash loop already have a time.
    ...[partition, instance ?? '-', ...(haveVersions ? [version ?? '-'] : []), state],
    [since && state !== 'crash-looping' ? `since ${since}` : '', why, dns ?? ''].filter(Boolean).join('; '),
  ])
  const head = [
    ...(marked ? [''] : []),
    ...['PARTITION', 'INSTANCE', ...(haveVersions ? ['VERSION'] : []), 'STATE', 'WHY'],
  ]
  const stateColumn = head.indexOf('STATE')
  const dress = (text: string, row: number, column: number) => {
    const one = partitions[row]
    if (!colours || one === undefined) return text
    if (marked?.has(one.partition) && column < 2) return painted(text, 'inverse')
    return column === stateColumn ? painted(text, lookOf[one.state]) : text
  }
  return rowsOf(head, rows, { width: columns, dress })
}

const lookOf: Readonly<Record<State, Look>> = {
  ...{ 'crash-looping': 'red', failing: 'red', critical: 'red', unassigned: 'red' },
  ...{ waiting: 'yellow', drained: 'yellow', moving: 'yellow', starting: 'yellow' },
  ...{ held: 'dim', finished: 'dim', removed: 'dim', running: 'green' },
}

function lookOfInstance({ state, why }: InstanceStatus): Look {
  if (state === 'not passing' || why !== '') return 'red'
  return state === 'member' ? 'green' : 'yellow'
}

function schedulerLine({ by, plan }: NonNullable<Status['scheduler']>): string {
  return `the scheduler runs on ${by}${plan === null ? '' : `; its plan ${plan} is in force`}`
}
