/** What `status` says of a number of partitions in force, of a freeze, and of partitions that wait for who had them. Pure. */

import { seconds } from '../../base/clock.ts'
import { shellWord } from '../../base/printable.ts'
import { listed } from '../../base/text.ts'
import { countWords } from '../../keys/count.ts'
import { crossing } from '../../keys/freeze.ts'
import type { Lock } from '../../keys/lock.ts'
import type { Cluster } from '../../look/cluster.ts'

/** At the start of the first line; empty when nothing is frozen. */
export function freezeWords(cluster: Cluster): string {
  const { freeze, service, away } = cluster
  const now = crossing(cluster)
  if (now !== null) return `FROZEN: ${lostWords(now.lost, now.of)}; `
  if (freeze?.frozen !== true) return ''
  const since = freeze.since === '' ? '' : ` since ${freeze.since}`
  if (freeze.by === 'hand') return `FROZEN by hand${since}${freeze.why && `: ${freeze.why}`}; `
  const still = freeze.lost.filter(instance => away.has(instance))
  const left = still.length < freeze.lost.length ? `, ${still.length} of them still` : ''
  return `FROZEN${since}: ${lostWords(freeze.lost, freeze.of)}${left}, until enough are back or watchbill thaw ${shellWord(service)}; `
}

function lostWords(lost: readonly string[], of: number): string {
  return `${lost.length} of ${of} instances were lost (${listed(lost)})`
}

/** Members of older releases, which know neither freezes nor numbers in force; null while there is nothing that they break. */
export function olderWords({ members, freeze, count }: Cluster): string | null {
  const older = members.filter(({ counts }) => !counts).map(({ instance }) => instance)
  if (older.length === 0 || (freeze?.frozen !== true && count?.by !== 'hand')) return null
  const what = freeze?.frozen ? 'a freeze: it takes over what others lose' : 'a number of partitions that people set'
  return `the release on ${listed(older)} knows nothing of ${what}; upgrade it`
}

/** The problem with `spec/number`; null when there is none. */
export function numberProblem({ service, keys, count }: Cluster): string | null {
  if (count?.by !== 'garbled') return null
  return `${keys.number} is garbled, so the set stays as it is; set the number anew: watchbill scale ${shellWord(service)} <number>`
}

/** For a number that people set, or that the set is still being brought to; null otherwise. */
export function numberRemark({ service, count }: Cluster): string | null {
  if (count === null || count.by === 'garbled') return null
  const name = shellWord(service)
  if (count.by === 'reset') return 'the set is going back to what the definitions say'
  const under = count.done ? '' : '; the set is being brought to it'
  if (count.scheduler)
    return `the scheduler has set ${countWords(count)} partitions since ${count.since}; without one: watchbill scale ${name} --reset${under}`
  if (count.by === 'hand')
    return `people have set ${countWords(count)} partitions since ${count.since}, until watchbill scale ${name} --reset${under}`
  return count.done ? null : `the number of partitions is ${countWords(count)}${under}`
}

/** For a lost partition that nobody takes yet, because it is kept for the instance that had it. */
export function keptWords({ service, away }: Cluster, { held }: Lock): string {
  const last = held === null ? undefined : away.get(held.instance)
  const wait = last === undefined ? '' : `, for at most ${seconds(last.waitMs)}`
  return `waits for ${held?.instance ?? 'its last holder'}, which is away${wait}; to end that: watchbill evict ${shellWord(service)} ${shellWord(held?.instance ?? '')}`
}

/** For a lost partition of a frozen service. */
export function frozenWords({ service }: Cluster, lock: Lock | null): string {
  const whose = lock?.held ? `it waits for ${lock.held.instance}, which lost it` : 'its last holder is not known'
  return `the service is frozen: ${whose}; watchbill thaw ${shellWord(service)} lets others take it`
}
