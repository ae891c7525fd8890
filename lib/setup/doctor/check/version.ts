import type { Facts } from '../facts.ts'
import { type Finding, ok, unsafe, warn } from '../finding.ts'

/** Releases of Consul with a fault that affects watchbill, from their changelogs and issues; none of them was run. */
const faulty: Readonly<Record<string, readonly [what: string, todo: string]>> = {
  '1.12.1': ['a client gives up a waiting query of a single key after 7 s', 'use 1.12.2 or later'],
  '1.14.0': ['a waiting query can fail at its end, and its watch then pauses', 'use 1.14.2 or later'],
  '1.14.1': ['a waiting query can fail at its end, and its watch then pauses', 'use 1.14.2 or later'],
  '1.21.5': [
    'it refuses URLs of keys that hold ":" or "%": no wake-up arrives, and a hand-over takes up to 10 s',
    'use a later one',
  ],
  '1.22.4': [
    'it cuts queries that wait longer than 30 s: watches fail and pause for up to 180 s',
    'use 1.22.5 or later',
  ],
}

/** Such as `v1.22.5+ent`. */
export function versionOf(text: string): [major: number, minor: number, patch: number] {
  const [major = 0, minor = 0, patch = 0] = (/(\d+)\.(\d+)\.?(\d*)/.exec(text) ?? []).slice(1).map(Number)
  return [major, minor, patch]
}

/** Whether the agent refuses keys that hold a space or `..` after percent-decoding: see `keyRefusal` in names.ts. */
export function checksKeys(version: string): boolean {
  const [major, minor] = versionOf(version)
  return major > 1 || (major === 1 && minor >= 22)
}

/** 1.7 is the oldest version whose transactions (check-not-exists) and handlers' environment this program knows. */
export function consulVersion({ agent }: Facts): Finding {
  if ('unknown' in agent)
    return warn(`Consul's version is not known: ${agent.unknown}`, 'start the agent, or see --http-addr')
  const [major, minor, patch] = versionOf(agent.version)
  const enough = major > 1 || (major === 1 && minor >= 7)
  if (!enough) return unsafe(`Consul is ${agent.version || 'of no known version'}`, 'use 1.7 or later')
  const fault = faulty[`${major}.${minor}.${patch}`]
  return fault ? warn(`Consul ${agent.version} has a fault: ${fault[0]}`, fault[1]) : ok(`Consul ${agent.version}`)
}
