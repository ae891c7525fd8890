/** The roster of a cluster as one look found it: members in full, the partition set, and who holds what. */

import { agreed } from '../keys/calm.ts'
import { isFrozen } from '../keys/freeze.ts'
import type { Cluster } from '../look/cluster.ts'
import { asMembers, holdersWithout, onlyTheirOwn, waitingFor } from './calm/awaited.ts'
import { frozen } from './calm/frozen.ts'
import { fewMoves } from './calm/moves.ts'
import type { Placement, Rule } from './rule.ts'
import { besideHeld } from './rules/held.ts'
import { agreedVersion, versions } from './versions.ts'

type Shown = Pick<
  Cluster,
  'members' | 'rosters' | 'partitions' | 'locks' | 'settings' | 'coolDowns' | 'away' | 'freeze'
>

/**
 * Pure: every instance that sees the same cluster computes the same assignment. The roster version is the lowest one that
 * any instance reports.
 */
export function assign(cluster: Shown, known: readonly (readonly Rule[])[] = versions): Placement {
  const rules = known[agreedVersion(cluster.rosters.values(), known.length) - 1] as readonly Rule[]
  const waiting = waitingFor(cluster)
  const present = cluster.members.filter(member => member.absence === null)
  const members = waiting.size === 0 ? present : [...present, ...asMembers(waiting, cluster.away)]
  const avoided = new Map([...cluster.coolDowns].map(([id, { instance }]) => [id, instance]))
  const holders = holdersWithout(holdersOf(cluster), waiting)
  const none: Placement = { placed: new Map(), unplaced: new Map() }
  return besideHeld([...cluster.partitions], new Set(cluster.settings.held), partitions => {
    const ideal = rules.reduce((before, rule) => rule.place(before, { members, partitions, holders, avoided }), none)
    return calmed(onlyTheirOwn(ideal, waiting, holderIn(cluster)), cluster)
  })
}

/** What of it is done now. */
function calmed(placement: Placement, cluster: Shown): Placement {
  if (isFrozen(cluster)) return frozen(placement, cluster)
  const inForce = agreed(cluster.members)
  if (inForce.back && inForce.movesAtOnce === Number.POSITIVE_INFINITY) return placement
  return fewMoves(placement, cluster, inForce)
}

/** The member that holds a lock and takes part. */
function holderIn({ members, locks }: Shown): (id: string) => string | undefined {
  const bySession = new Map(
    members.flatMap(({ session, instance, absence }) => (absence === null ? [[session, instance] as const] : [])),
  )
  return id => bySession.get(locks.get(id)?.session ?? '')
}

/**
 * Partition id -> the instance that holds it, or counts as its holder. A held lock belongs to the instance of its session,
 * whatever the value says. A free unclean lock still counts as its last holder's: an instance that lost only its session
 * gets its own locks back. A clean lock counts as the next holder's, whom the release named: the roster does not change in
 * the middle of a hand-over.
 */
export function holdersOf(cluster: Pick<Cluster, 'members' | 'locks'>): Map<string, string> {
  const bySession = new Map(cluster.members.map(member => [member.session, member.instance]))
  const holders = new Map<string, string>()
  for (const [id, lock] of cluster.locks) {
    const holder = lock.session === null ? (lock.held?.instance ?? lock.next) : bySession.get(lock.session)
    if (holder != null) holders.set(id, holder)
  }
  return holders
}
