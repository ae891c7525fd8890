/** The sentences of `status`: each problem in one line that ends with the next step. Pure. */

import { shellWord, shellWords } from '../../base/printable.ts'
import { listed } from '../../base/text.ts'
import type { Trouble } from '../../consul/health.ts'
import type { Session } from '../../consul/session.ts'
import type { Member } from '../../keys/member.ts'
import type { Cluster } from '../../look/cluster.ts'

/** Why an instance is not passing; the caller puts the instance's name before it. */
export function troubleWords({ check, output }: Trouble, node: string): string {
  const said = output && `: ${output}`
  if (check === 'node')
    return `is not passing: the agent of ${node} does not answer the others (serfHealth${said}); start it again, or take it out for good: watchbill evict --node ${shellWord(node)}`
  if (check === 'missing')
    return `is not passing: it has no guard check, so something else than configure has registered it; on ${node}: watchbill configure, then consul reload; or deregister it, or give it another name`
  const missing = /fork\/exec|no such file|permission denied/i.test(output)
  if (missing)
    return `is not passing: its guard cannot be run${said}; on ${node}: watchbill configure, then consul reload`
  if (/timed out/i.test(output))
    return `is not passing: its guard takes too long${said}; the machine is overloaded, or Consul's agent hangs: see watchbill doctor on ${node}`
  return `is not passing: its guard says${said || ': nothing'}; see watchbill doctor on ${node}`
}

/** For a lock whose session belongs to no member. @param session null when the token may not read it */
export function foreignLock(id: string, session: Session | null): string {
  const whose = session === null ? '' : ` ("${session.Name}" on ${session.Node})`
  return `its lock is held by session ${id}${whose}, which is no instance's, so nobody can take it; end that session: curl -X PUT http://127.0.0.1:8500/v1/session/destroy/${id}`
}

/** The command that ends a member's absence; '' when there is none, or the instance's own line has it. */
export function wayBack(service: string, { instance, node, absence }: Member): string {
  if (absence === 'drained') return `watchbill drain ${shellWords(service, instance)} off`
  if (absence === 'in maintenance') return `on ${node}: consul maint -disable`
  return ''
}

/** "a is drained, b is not passing; watchbill drain svc a off" */
export function absentWords(service: string, absent: readonly Member[]): string {
  const list = absent.map(({ instance, absence }) => `${instance} is ${absence}`).join(', ')
  const [todo] = absent.flatMap(member => wayBack(service, member) || [])
  return todo === undefined ? list : `${list}; ${todo}`
}

const exits: Readonly<Record<string, string>> = { 126: 'command not executable', 127: 'command not found' }

/** For a crash loop. @param told the shepherd's words, `since <epoch seconds>: exit 127` */
export function crashWords(service: string, partition: string, holder: string | null, told: string): string {
  const [, epoch, how = told] = /^since (\d{1,12}): (.*)$/.exec(told) ?? []
  const since = epoch === undefined ? '' : `since ${new Date(Number(epoch) * 1000).toISOString().slice(0, 19)}Z: `
  const code = /^exit (\d+)$/.exec(how)?.[1]
  const gloss = code !== undefined && exits[code] !== undefined ? ` (${exits[code]})` : ''
  return `${since}${how}${gloss}; ${logsLine(service, partition, holder)}`
}

/** The command that prints the process's output. */
export function logsLine(service: string, partition: string, holder: string | null): string {
  const where = holder === null ? '' : `on ${holder.slice(0, holder.lastIndexOf(':'))}: `
  return `${where}watchbill logs ${shellWords(service, partition)}`
}

/** The problem with the settings; null when there is none. */
export function settingsWords({ keys, settings, settingsProblem, locks }: Cluster): string | null {
  if (settingsProblem === null) return null
  // The version in force went with them: what most partitions run is the best that is known.
  const ran = [...locks.values()].flatMap(({ held }) => held?.version || [])
  const version = [...Map.groupBy(ran, one => one)].sort(([, a], [, b]) => b.length - a.length)[0]?.[0]
  const good = JSON.stringify({ drained: [], held: [], epoch: settings.epoch, version })
  return `${keys.settings} is garbled: ${settingsProblem}; each instance goes on with the last good ones; write it anew: consul kv put ${shellWord(keys.settings)} '${good}'`
}

/** Which members have which definition, when they differ; null when they agree. Weights and the like may differ. */
export function definitionsWords(members: readonly Member[]): string | null {
  const known = members.filter(({ shared }) => shared !== '')
  const groups = [...Map.groupBy(known, ({ shared }) => shared).values()]
  if (groups.length <= 1) return null
  const apart = groups.map(group => listed(group.map(({ instance }) => instance))).join(' / ')
  return `the definitions differ: ${apart}; bring one to all of these machines, then watchbill configure and consul reload there`
}

/** Keys below partition/ that belong to no partition; null when there are none. */
export function foreignKeysWords({ service, foreign }: Cluster): string | null {
  if (foreign.length === 0) return null
  return `${listed(foreign)} is no partition's key and does not count; delete it, and say watchbill partitions ${shellWord(service)} add <id>`
}

/** For a source that fails and is still tried again. `why` ends with that. */
export function tryingWords({ why, since }: { readonly why: string; readonly since: string }): string {
  return `the source fails since ${since}: ${why}`
}

/** For a service without a partition set. */
export function unwrittenWords({ registered }: Cluster, name: string): string {
  const todo =
    registered.length === 0
      ? 'no instance is registered: on a machine with its definition, watchbill configure, then consul reload'
      : `an instance that takes part writes it within 10 s, or its source has to answer; if none does, watchbill doctor on ${registered[0]?.node}`
  return `${name}: nobody has written a partition set yet, or it was deleted; ${todo}`
}
