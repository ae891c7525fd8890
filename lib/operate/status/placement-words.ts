/** What `status` says of the rules of placement: each problem in one line that ends with the next step. Pure. */

import { shellWord } from '../../base/printable.ts'
import { listed } from '../../base/text.ts'
import { hasRules } from '../../keys/placement.ts'
import type { Cluster } from '../../look/cluster.ts'

export function placementWords(cluster: Cluster): string[] {
  const { service, keys, placement, placementProblem, members } = cluster
  const apply = `watchbill placement ${shellWord(service)} apply <definition>`
  const problems: string[] = []
  if (placementProblem !== null) {
    const stays = 'nothing moves that may stay, and each instance takes what is lost by the last good rules it has seen'
    problems.push(`${keys.placement} cannot be used: ${placementProblem}; ${stays}; put good ones in force: ${apply}`)
  }
  const other = members.filter(member => member.placement !== undefined && isReplaced(cluster, member.placement))
  if (other.length > 0) {
    const whose = listed(other.map(({ instance }) => instance))
    problems.push(
      `the placement in the definition of ${whose} was replaced and is not in force: bring the present one to these machines, or ${apply}`,
    )
  }
  if (hasRules(placement)) {
    const older = members.filter(({ roster }) => roster < placement.needs)
    if (older.length > 0) {
      const names = listed(older.map(({ instance }) => instance))
      const off = `watchbill drain ${shellWord(service)} ${shellWord(older[0]?.instance ?? '')} off`
      problems.push(
        `${names} of an older release that does not know the placement in force gets nothing: upgrade it, then ${off}`,
      )
    }
  }
  return problems
}

function isReplaced({ placement }: Cluster, digest: string): boolean {
  return placement !== null && placement.digest !== digest && placement.replaced.includes(digest)
}
