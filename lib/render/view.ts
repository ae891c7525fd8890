/** One look at everything that a render depends on, beside its templates. */
import { markOf } from '../act/ask-for-render.ts'
import { decode, keysOf } from '../base/names.ts'
import { folderIndex, trees } from '../consul/kv.ts'
import { readPartitions } from '../keys/partition-set.ts'
import { parseReport } from '../keys/report.ts'
import type { Cluster } from '../look/cluster.ts'
import { look } from '../look/look.ts'
import { lookAtCluster } from '../look/read-cluster.ts'
import type { Snapshot } from '../look/snapshot.ts'
import { assigned } from '../roster/assignment.ts'
import type { InForce } from '../state/definition.ts'
import { isActive, type Local } from '../state/local.ts'
import type { Run } from '../state/self.ts'
import type { View } from './input.ts'
import { placesOf } from './places.ts'

export interface Viewed {
  readonly view: View
  /** Somebody has written a partition set: without it an empty one means unknown. */
  readonly defined: boolean
  /** Of the look, and Consul's indexes from before it. */
  readonly mark: string
  readonly locks: string
  readonly reports: string
}

/** @throws Temporary when any part cannot be read: half a view is none */
export async function viewOf(run: Run, { definition }: Pick<InForce, 'definition'>): Promise<Viewed> {
  const { consul, service, instance, node } = run
  const keys = keysOf(service)
  // From before the look: what changes after that is seen by the next render.
  const [locks = '', reports = ''] = await Promise.all(
    [keys.locks, keys.reports].map(prefix => folderIndex(consul, prefix)),
  )
  const cluster = await clusterFor(run, definition.role === 'observer')
  const { placed } = await assigned(cluster)
  const local: ReadonlyMap<string, Local> = ('local' in cluster ? (cluster as Snapshot) : null)?.local ?? new Map()
  return {
    view: {
      ...{ instance, node, definition, cluster, placed },
      reports: await reportsOf(run),
      documents: cluster.documentsIndex === null ? new Map() : await documentsOf(run),
      places: await placesOf(consul, service),
      here: new Set([...local].flatMap(([id, one]) => (isActive(one) ? [id] : []))),
    },
    defined: cluster.defined,
    mark: markOf(cluster, placed),
    locks,
    reports,
  }
}

/** A member looks as its reconcile does, so that both find the same. */
async function clusterFor(run: Run, observes: boolean): Promise<Cluster | Snapshot> {
  if (observes) return lookAtCluster(run.consul, run.service)
  return (await look(run, false)).snapshot
}

async function reportsOf({ consul, service }: Run): Promise<View['reports']> {
  const { reports } = keysOf(service)
  return new Map(
    (await trees(consul, [reports])).flatMap(({ key, value }) => {
      const instance = decode(key.slice(reports.length))
      return instance === null ? [] : [[instance, parseReport(value)] as const]
    }),
  )
}

async function documentsOf({ consul, service }: Run): Promise<ReadonlyMap<string, unknown>> {
  const all = await readPartitions(consul, keysOf(service))
  return new Map(all.flatMap(({ id, document }) => (document === undefined ? [] : [[id, document] as const])))
}
