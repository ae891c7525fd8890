/** Events for people, one line each. Pure. */
import type { Shown } from './read.ts'

/** How the other instance belongs to what happened; otherwise it is what happened to that one. */
const prepositions = new Map(
  Object.entries({
    ...{ acquired: 'from', 'taken over': 'from', moved: 'to', disowned: 'for', pinned: 'to', 'restart asked': 'of' },
  }),
)

/** "2026-01-01T12:00:00Z  n2:work  7  taken over from n1:work: it was not given back" */
export function eventLine(event: Shown, withService = false): string {
  const { at, teller, by, partitions, more, what, instance, why, service } = event
  const preposition = prepositions.get(what)
  const other = instance === null ? '' : ` ${preposition === undefined ? '' : `${preposition} `}${instance}`
  const named = more > 0 ? `${partitions.join(', ')} and ${more} more` : partitions.join(', ')
  const who = teller ?? by ?? 'somebody'
  const asked = teller !== null && by !== null ? `, asked for by ${by}` : ''
  const words = `${what}${other}${why === null ? '' : `: ${why}`}${asked}`
  const time = `${new Date(at).toISOString().slice(0, 19)}Z`
  return [time, ...(withService ? [service] : []), who, named || '-', words].join('  ')
}

/** For programs: everything that is known of it. */
export function eventJson({ service, index, at, teller, by, partitions, more, what, instance, why }: Shown): object {
  const time = new Date(at).toISOString()
  return { service, index, at: time, teller, by, what, partitions, more, instance, why }
}
