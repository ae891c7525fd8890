/** Prints a service for `status`: the whole page, or the one line of `--check`. Pure. */

import { table } from '../../base/table.ts'
import { listed } from '../../base/text.ts'
import { bytes, number } from '../figures/words.ts'
import { isGood, type PartitionStatus } from './partitions.ts'
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

export function page({ summary, problems, remark, advice, source, instances, partitions }: Status): string[] {
  // Instances that are alone, and those without the permission, publish no figures.
  const areKnown = instances.some(({ figures }) => figures !== null)
  const who = instances.map(({ instance, state, held, assigned, weight, figures }) => [
    ...[instance, state, String(held), String(assigned), String(weight)],
    ...(areKnown ? [number(figures?.restarts), bytes(figures?.memory), number(figures?.margin)] : []),
  ])
  const what = partitions.map(({ partition, instance, state, why, since, dns }) => [
    // The words for a crash loop already have a time.
    ...[partition, instance ?? '-', state],
    [since && state !== 'crash-looping' ? `since ${since}` : '', why, dns ?? ''].filter(Boolean).join('; '),
  ])
  return [
    summary,
    ...problems.map(problem => `problem: ${problem}`),
    ...(remark ? [`remark: ${remark}`] : []),
    ...(advice ? [`to do: ${advice}`] : []),
    ...(source ? [`the partitions are fetched by ${source.by}`] : []),
    ...table(
      ['INSTANCE', 'STATE', 'HOLDS', 'SHOULD', 'WEIGHT', ...(areKnown ? ['RESTARTS', 'MEMORY', 'MARGIN ms'] : [])],
      who,
    ),
    ...table(['PARTITION', 'INSTANCE', 'STATE', 'WHY'], what),
  ]
}
