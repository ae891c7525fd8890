/** What `status` says of versions and of the roll-out under way. Pure. */

import { shellWord } from '../../base/printable.ts'
import { isUnderWay, type RollInForce } from '../../keys/roll.ts'
import { neededVersions } from '../../keys/versions.ts'
import type { Cluster } from '../../look/cluster.ts'
import { adviceFor, rollWords } from '../../roll/words.ts'

export function rollUnderWay({ roll, settings }: Cluster): RollInForce | null {
  return isUnderWay(roll, settings) ? roll : null
}

/** A roll-out that has stopped, or whose record nobody can read; versions that an instance cannot prepare. */
export function rollProblems(cluster: Cluster): string[] {
  const { service, settings, members, keys } = cluster
  const roll = rollUnderWay(cluster)
  const problems = members.flatMap(({ instance, versions }) => {
    const failed = versions?.failed
    // One that nobody wants any more is forgotten soon.
    const isWanted = [...neededVersions(settings, versions?.first), roll?.to].includes(failed?.version)
    const isTold =
      !isWanted || roll?.state === 'stopped' || failed === undefined || versions?.prepared?.includes(failed.version)
    return isTold ? [] : [`${instance} cannot prepare version ${failed.version}: ${failed.why}`]
  })
  if (settings.roll !== undefined && roll === null)
    return [...problems, `the record of the roll-out, ${keys.roll}, is missing or garbled; it ends within seconds`]
  if (roll?.state !== 'stopped') return problems
  return [`${rollWords(roll)}; ${adviceFor(service, roll)}`, ...problems]
}

/** For one that goes on by itself, or waits for a person; null otherwise. */
export function rollRemark(cluster: Cluster): string | null {
  const roll = rollUnderWay(cluster)
  if (roll === null || roll.state === 'stopped') return null
  const advice = adviceFor(cluster.service, roll)
  return `${rollWords(roll)}; ${advice || `see watchbill roll ${shellWord(cluster.service)}`}`
}
