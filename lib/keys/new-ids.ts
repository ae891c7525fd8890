/**
 * Ids that some version of Consul refuses: see `keyRefusal` in base/names.ts. None is taken anew, for on the day that an agent
 * is upgraded nothing could be done with its lock. One that is there already goes on, and is to be renamed before that day.
 */
import { Permanent } from '../base/errors.ts'
import { idRefusal, type Keys, safeId } from '../base/names.ts'
import { shellWord } from '../base/printable.ts'

/** Those of these ids. */
export function refusedIds(keys: Keys, ids: readonly string[]): string[] {
  return ids.filter(id => idRefusal(keys, id) !== null)
}

const agents = "Consul's agents from 1.22 on"

/** Of new ids that are refused, what is wrong and what to do, on one line. */
export function leavesOut(keys: Keys, ids: readonly string[]): string {
  const named = ids.slice(0, 5).map(id => `${JSON.stringify(id)} (such as ${safeId(id)})`)
  const more = ids.length > 5 ? ` and ${ids.length - 5} more` : ''
  return `${agents} take no key that holds ${idRefusal(keys, ids[0] ?? '')}; name otherwise: ${named.join(', ')}${more}`
}

/** How a remark begins about what a source brings and is left out; the rest of its set is in force. */
export const leftOutMark = 'ids of the source are left out: '

export function isLeftOut(problem: string | null): boolean {
  return problem?.startsWith(leftOutMark) ?? false
}

/** @throws Permanent that names those of these new ids that some version of Consul refuses */
export function mustBeAcceptable(keys: Keys, ids: readonly string[]): void {
  const refused = refusedIds(keys, ids)
  if (refused.length > 0) throw new Permanent(`cannot add ${refused.length} partitions: ${leavesOut(keys, refused)}`)
}

/** Of a partition that is in the set and cannot be used through the agent. */
export function keyRefused({ service, keys }: { service: string; keys: Keys }, id: string): string {
  return `key refused: ${agents} take no key that holds ${idRefusal(keys, id)}; ${renameLine(service, id)}`
}

/** Of partitions that are there, what is to be done before an agent is upgraded; null when there are none such. */
export function renameAdvice(
  { service, keys }: { service: string; keys: Keys },
  ids: readonly string[],
): string | null {
  const refused = refusedIds(keys, ids)
  const [first] = refused
  if (first === undefined) return null
  const more = refused.length > 1 ? ` and ${refused.length - 1} more` : ''
  return `before any agent of Consul becomes 1.22 or later, which take no key of ${JSON.stringify(first)}${more}, ${renameLine(service, first)}`
}

/** The command that renames it. */
function renameLine(service: string, id: string): string {
  return `rename it: watchbill partitions ${service} rename ${shellWord(id)} ${shellWord(safeId(id))}`
}
