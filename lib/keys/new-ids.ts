/**
 * Ids that some version of Consul refuses: see `keyRefusal` in base/names.ts. New partitions with such an id are
 * refused, because nothing could be done with their locks once an agent is upgraded. Existing ones keep working, and
 * must be renamed before an upgrade.
 */
import { Permanent } from '../base/errors.ts'
import { idRefusal, type Keys, safeId } from '../base/names.ts'
import { shellWords } from '../base/printable.ts'

/** The refused ones of these ids. */
export function refusedIds(keys: Keys, ids: readonly string[]): string[] {
  return ids.filter(id => idRefusal(keys, id) !== null)
}

const agents = "Consul's agents from 1.22 on"

/** For new ids that are refused: what is wrong and what to do, on one line. */
export function leavesOut(keys: Keys, ids: readonly string[]): string {
  const named = ids.slice(0, 5).map(id => `${JSON.stringify(id)} (such as ${safeId(id)})`)
  const more = ids.length > 5 ? ` and ${ids.length - 5} more` : ''
  return `${agents} take no key that holds ${idRefusal(keys, ids[0] ?? '')}; use another name: ${named.join(', ')}${more}`
}

/** The start of a remark about refused ids of a source. The rest of the source's set is in force. */
export const leftOutMark = 'ids of the source are left out: '

export function isLeftOut(problem: string | null): boolean {
  return problem?.startsWith(leftOutMark) ?? false
}

/** @throws Permanent that names the new ids that some version of Consul refuses */
export function mustBeAcceptable(keys: Keys, ids: readonly string[]): void {
  const refused = refusedIds(keys, ids)
  if (refused.length > 0) throw new Permanent(`cannot add ${refused.length} partitions: ${leavesOut(keys, refused)}`)
}

/** For an existing partition that this agent refuses. */
export function keyRefused({ service, keys }: { service: string; keys: Keys }, id: string): string {
  return `key refused: ${agents} take no key that holds ${idRefusal(keys, id)}; ${renameLine(service, id)}`
}

/** What to do about existing partitions before an agent is upgraded; null when no such partition exists. */
export function renameAdvice(
  { service, keys }: { service: string; keys: Keys },
  ids: readonly string[],
): string | null {
  const refused = refusedIds(keys, ids)
  const [first] = refused
  if (first === undefined) return null
  const more = refused.length > 1 ? ` and ${refused.length - 1} more` : ''
  return `before any Consul agent is upgraded to 1.22 or later, which refuses the key of ${JSON.stringify(first)}${more}, ${renameLine(service, first)}`
}

/** The command that renames a partition. */
function renameLine(service: string, id: string): string {
  return `rename it: watchbill partitions ${shellWords(service, 'rename', id, safeId(id))}`
}
