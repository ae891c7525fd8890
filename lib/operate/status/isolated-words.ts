/** What `status` says of partitions that may run twice. Pure. */
import { listed } from '../../base/text.ts'
import type { Cluster } from '../../look/cluster.ts'

/** Null where every process ends with its lease. */
export function isolatedWords({ locks, lost }: Pick<Cluster, 'locks' | 'lost'>): string | null {
  const keeps = [...locks.values()].filter(({ held }) => held?.whenIsolated === 'keep').length
  if (keeps === 0) return null
  const away = [...lost.keys()]
  const now = away.length > 0 ? `; what ${listed(away)} had may still run there` : ''
  const many = keeps === 1 ? '1 partition' : `${keeps} partitions`
  return `${many} may run twice while a machine is cut off, since whenIsolated is "keep"${now}`
}
