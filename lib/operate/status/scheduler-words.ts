/** What `status` says of the scheduler of the service and of its plan: each in one line that ends with the next step. Pure. */

import { shellWord } from '../../base/printable.ts'
import { byName, listed } from '../../base/text.ts'
import type { SchedulerDuty } from '../../keys/scheduler.ts'
import type { Cluster } from '../../look/cluster.ts'
import { olderThanPlans } from '../../roster/plan-that-counts.ts'

const decides = 'the ordinary roster decides'

export function schedulerWords(cluster: Cluster, duty: SchedulerDuty | null): string[] {
  const { service, keys, ownPlan, anyAssigning } = cluster
  const { pointer, plan, problem } = ownPlan
  const show = `see watchbill plan ${shellWord(service)} --show`
  const problems: string[] = []
  if (problem !== null) problems.push(`${keys.plan} cannot be used: ${problem}; the scheduler writes it anew`)
  if (duty?.problem && anyAssigning) {
    const stays = plan === null ? decides : `the plan ${plan.revision} stays in force`
    problems.push(`${duty.problem} (since ${duty.since}; ${stays}); ${show}`)
  }
  if (pointer?.withdrawn && anyAssigning)
    problems.push(`the plan ${pointer.revision} was withdrawn (${pointer.withdrawn}), and ${decides}; ${show}`)
  const older = plan === null ? [] : olderThanPlans(cluster)
  if (older.length > 0) {
    const drain = `watchbill drain ${shellWord(service)} ${shellWord(older[0] ?? '')}`
    problems.push(
      `${listed(older)} of an older release does not follow plans, so the plan ${plan?.revision} does not count, and ${decides}: upgrade it, or ${drain}`,
    )
  }
  return problems
}

/** Entries that do not count now; null when all do, or there is no plan. It may end by itself. */
export function voidWords(
  { service, ownPlan }: Pick<Cluster, 'service' | 'ownPlan'>,
  voided: ReadonlyMap<string, string> | null,
): string | null {
  if (voided === null || voided.size === 0) return null
  const all = [...voided].sort(([a], [b]) => byName(a, b)).map(([id, why]) => `${id} (${why})`)
  const number = voided.size === 1 ? '1 entry' : `${voided.size} entries`
  const verb = voided.size === 1 ? 'does' : 'do'
  const show = `see watchbill plan ${shellWord(service)} --show`
  return `${number} of the plan ${ownPlan.plan?.revision} ${verb} not count, and ${decides} there: ${listed(all)}; ${show}`
}
