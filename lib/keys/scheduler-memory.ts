/** `watchbill/.scheduler/<service>/`: what a scheduler knows from run to run. */
import { fieldsIn, textIn } from '../base/json.ts'
import { encode } from '../base/names.ts'
import { isVersion } from '../base/version.ts'
import type { Consul } from '../consul/http.ts'
import { base64, keysBelow, transact, transactionLimit, trees } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'

export function schedulerRoot(service: string): string {
  return `watchbill/.scheduler/${encode(service)}/`
}

/** What the scheduler knows from run to run. */
export interface Memory {
  /** What its last good answer returned as its state; null at first. */
  readonly state: unknown
  /** Since when each member has been known, and when one that is gone was last seen and first missed, ISO. */
  readonly seen: Readonly<Record<string, Sighting>>
  /** The last run; null before the first. */
  readonly last: LastRun | null
}

export interface Sighting {
  readonly since: string
  /** Of one that is gone. */
  readonly left?: { readonly seen: string; readonly missed: string; readonly node: string }
}

export interface LastRun {
  readonly at: string
  readonly by: string
  /** The version that its last good answer said; null for none. */
  readonly version: string | null
  /** How long the scheduler took, ms. */
  readonly took: number
  readonly log: readonly string[]
  /** The last refusals and failures, the newest first. */
  readonly refused: readonly { readonly at: string; readonly why: string }[]
}

/** Garbled values count as missing. @throws Temporary when Consul is away */
export async function readMemory(consul: Consul, service: string): Promise<Memory> {
  const root = schedulerRoot(service)
  const found = new Map((await trees(consul, [root])).map(({ key, value }) => [key.slice(root.length), value]))
  const { state = null } = fieldsIn(found.get('state') ?? null)
  const seen = fieldsIn(found.get('seen') ?? null) as Memory['seen']
  return { state, seen, last: lastIn(found.get('last') ?? null) }
}

function lastIn(text: string | null): LastRun | null {
  const { at, by, version, took, log, refused } = fieldsIn(text)
  if (typeof at !== 'string') return null
  const all = Array.isArray(refused) ? refused : []
  return {
    ...{ at, by: textIn(by), version: isVersion(version) ? version : null, took: typeof took === 'number' ? took : 0 },
    log: Array.isArray(log) ? log.map(textIn) : [],
    refused: all.map(one => ({ at: textIn(one?.at), why: textIn(one?.why) })),
  }
}

/** Writes what has changed, while this instance has the duty. */
export async function keepMemory(
  consul: Consul,
  service: string,
  { before, after, only }: { readonly before: Memory; readonly after: Partial<Memory>; readonly only: Operation },
): Promise<void> {
  const values: Record<keyof Memory, (of: Memory) => unknown> = {
    state: ({ state }) => ({ state }),
    seen: ({ seen }) => seen,
    last: ({ last }) => last,
  }
  const now = { ...before, ...after }
  const text = (of: Memory, name: keyof Memory) => JSON.stringify(values[name](of))
  const changed = (Object.keys(values) as (keyof Memory)[]).filter(name => text(now, name) !== text(before, name))
  const root = schedulerRoot(service)
  const sets = changed.map(name => ({ Verb: 'set', Key: `${root}${name}`, Value: base64(text(now, name)) }) as const)
  if (sets.length > 0) await transact(consul, [only, ...sets])
}

/** Of a service that is purged. Nobody misses what stays: this throws nothing. */
export async function forgetScheduler(consul: Consul, service: string): Promise<void> {
  try {
    const all = await keysBelow(consul, schedulerRoot(service))
    const deletions = all.slice(0, transactionLimit).map(Key => ({ Verb: 'delete', Key }) as const)
    if (deletions.length > 0) await transact(consul, deletions)
  } catch {
    // The token may not, or Consul is away.
  }
}
