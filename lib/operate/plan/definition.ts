/** What a definition would change in the cluster, if it were configured now. */
import { keysOf } from '../../base/names.ts'
import { shellWord } from '../../base/printable.ts'
import { listed } from '../../base/text.ts'
import type { Consul } from '../../consul/http.ts'
import { foldersBelow } from '../../consul/kv.ts'
import type { Definition } from '../../definition/definition.ts'
import { lookAtCluster } from '../../look/read-cluster.ts'
import type { Outlook } from './moves.ts'
import { outlookOf } from './outlook.ts'
import { outlookLines } from './page.ts'

export interface Expected {
  readonly service: string
  /** Nothing of the service stands in Consul yet. */
  readonly isNew: boolean
  readonly added: readonly string[]
  readonly removed: readonly string[]
  /** What would move; null for a new service. */
  readonly outlook: Outlook | null
}

/** @throws Temporary when Consul is away; Denied when the token may not look */
export async function expectedOf(consul: Consul, definition: Definition): Promise<Expected> {
  const { name: service, partitions, source } = definition
  if ((await foldersBelow(consul, keysOf(service).root)).length === 0)
    return { service, isNew: true, added: partitions, removed: [], outlook: null }
  const now = await lookAtCluster(consul, service)
  const none = { add: [], remove: [], drain: [], scale: null }
  const { after, outlook } = await withSet(consul, now, { ...none, definition })
  const fetched = source !== null
  return {
    service,
    isNew: false,
    added: fetched ? [] : [...after].filter(id => !now.partitions.has(id)),
    removed: fetched ? [] : [...now.partitions].filter(id => !after.has(id)),
    outlook,
  }
}

async function withSet(...[consul, now, changes]: Parameters<typeof outlookOf>) {
  const { changed, withHandMade } = await import('./what-if.ts')
  const after = await withHandMade(consul, now, changed(now, changes))
  return { after: after.partitions, outlook: await outlookOf(consul, now, changes) }
}

export function expectedLines({ service, isNew, added, removed, outlook }: Expected): string[] {
  if (isNew) {
    const set = added.length > 0 ? `its ${added.length} partitions are added` : 'its partitions come'
    return [`${service} is new in this cluster: ${set} once an instance takes part`]
  }
  const apply = `saving a definition removes none by itself: watchbill partitions ${shellWord(service)} apply`
  return [
    ...(added.length > 0 ? [`${service}: new in its set: ${listed(added)}`] : []),
    ...(removed.length > 0 ? [`${service}: no longer in its set: ${listed(removed)}; ${apply}`] : []),
    ...(outlook === null ? [] : outlookLines(outlook)),
  ]
}
