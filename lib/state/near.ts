/** What people are told of the limits of a partition that runs: a warning, which changes nothing else. */
import { readFact } from './facts.ts'
import type { Local } from './local.ts'

/** How long a kill for memory is told, seconds. */
const told = 3600

/** The same facts, with the warnings of those that run here. Only for a definition with limits. */
export function withWarnings(local: ReadonlyMap<string, Local>, now = Date.now() / 1000): ReadonlyMap<string, Local> {
  return new Map(
    [...local].map(([id, one]) => {
      const warning = one.process === null ? null : warningIn(one.home, now)
      return [id, warning === null ? one : { ...one, warning }]
    }),
  )
}

/** @param home the directory of its shepherd @param now epoch, seconds */
function warningIn(home: string, now: number): string | null {
  const [kills = '', at = ''] = readFact(`${home}/oom`)?.split(' ') ?? []
  const near = readFact(`${home}/near`)
  const since = Number(at)
  const killed = since > 0 && since <= now && now - since < told ? killedWords(Number(kills), since) : null
  const words = [killed, near === null ? null : `it is near its limit: ${near}`].filter(one => one !== null)
  return words.length === 0 ? null : `warning: ${words.join('; ')}`
}

function killedWords(kills: number, at: number): string {
  const when = new Date(at * 1000).toISOString().slice(0, 19)
  const times = kills === 1 ? '' : `, ${kills} times in all`
  return `the kernel has killed for memory, at ${when}Z${times}: raise run.memory, or let it use less`
}
