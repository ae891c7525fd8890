/**
 * How newer versions of Consul differ from 1.8.7, as read from their sources and changelogs. The stand-ins behave like
 * the chosen version.
 */
import { newestRefuses } from '../fixtures/key-rule.ts'

export interface Behaviour {
  /** The most operations in a transaction. */
  readonly operations: number
  /** Whether an operation on this key makes the whole transaction fail, with 400. */
  readonly refusesOperation: (key: string) => boolean
  /** The status that refuses `/v1/kv/<key>`; null when it is accepted. */
  readonly refusesUrl: (key: string) => number | null
  /** The body of a 403. */
  readonly denial: string
  /** Fields of entries, sessions and services that watchbill does not use. */
  readonly fields: Readonly<Record<string, unknown>>
  /** How long a blocking query may wait before its connection is cut, ms. */
  readonly longestQuery: number
  /** How long a connection may be idle before the agent closes it, ms. */
  readonly longestIdle: number
}

const old: Behaviour = {
  operations: 64,
  refusesOperation: () => false,
  refusesUrl: () => null,
  denial: 'Permission denied',
  fields: {},
  longestQuery: Number.POSITIVE_INFINITY,
  longestIdle: Number.POSITIVE_INFINITY,
}
const named: Behaviour = {
  ...old,
  operations: 128,
  denial: `Permission denied: token with AccessorID 'a1' lacks permission 'key:write' on "watchbill"`,
  fields: { Partition: 'default', Namespace: 'default', PeerName: '', Locality: { Region: 'r' }, ExposedPort: 0 },
}
const checked: Behaviour = { ...named, refusesUrl: key => (newestRefuses(key) ? 500 : null) }
/** Versions with timeouts for connections (`http_config`). */
const timed: Behaviour = { ...checked, longestIdle: 120_000 }

export const behaviours = {
  '1.8.7': old,
  '1.16.4': named,
  '1.21.5': { ...named, refusesUrl: (key: string) => (/[^A-Za-z0-9,_./-]/.test(key) ? 400 : null) },
  '1.22.0': checked,
  '1.22.4': { ...timed, longestQuery: 30_000 },
  '1.22.5': { ...timed, refusesOperation: newestRefuses },
} satisfies Record<string, Behaviour>

export type Version = keyof typeof behaviours

/**
 * The expected behaviour of a real version, such as `v1.22.5+ent`: that of the newest known version which is not
 * newer.
 */
export function behaviourOf(version: string): Behaviour {
  const order = (text: string) => {
    const [major = 0, minor = 0, patch = 0] = (/(\d+)\.(\d+)\.?(\d*)/.exec(text) ?? []).slice(1).map(Number)
    return major * 1_000_000 + minor * 1000 + patch
  }
  // A bug of a single release does not apply to later ones.
  const general = (Object.keys(behaviours) as Version[]).filter(known => !alone.includes(known) || known === version)
  const known = general.filter(one => order(one) <= order(version)).at(-1) ?? '1.8.7'
  return behaviours[known]
}

const alone: readonly Version[] = ['1.21.5', '1.22.4']

/** The answers of an agent that enforces its request limits, from 1.15 on. */
export const limited = {
  '429': { status: 429, text: 'rate limit reached, try again later' },
  '503': { status: 503, text: 'rate limit reached for operation that can only be performed by the leader' },
  '503 with Retry-After': { status: 503, text: 'rate limit reached', headers: { 'Retry-After': '3' } },
  '429 with Retry-After': { status: 429, text: 'rate limit reached', headers: { 'Retry-After': '3' } },
} as const
