/** What would move if something changed, asked of Consul. It changes nothing. */
import type { Consul } from '../../consul/http.ts'
import type { Cluster } from '../../look/cluster.ts'
import { assign, rulesFor } from '../../roster/assignment.ts'
import { versions } from '../../roster/versions.ts'
import { inTurn } from './in-turn.ts'
import { type Outlook, outlook } from './moves.ts'
import { type Changes, changed, withHandMade, withTraits } from './what-if.ts'

/** @throws Temporary when Consul is away; Permanent for changes that cannot be */
export async function outlookOf(consul: Consul, now: Cluster, changes: Changes): Promise<Outlook> {
  const after = await withTraits(consul, await withHandMade(consul, now, changed(now, changes)))
  const byRules = await rulesFor(after)
  return outlook(
    now,
    after,
    inTurn(now, after, changes, cluster => assign(cluster, versions, byRules)),
  )
}
