/** What instances publish beside the keys of their service, and how that is removed with them. */
import { decode } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { type Entry, keysBelow, transact, transactionLimit, trees } from '../consul/kv.ts'
import { isRefusal } from '../consul/permission.ts'
import { eventsRoot } from './events.ts'
import { figuresKey, figuresRoot, parseSummary, type Summary } from './figures.ts'
import { healthKey, healthRoot, type Publication, parseHealth } from './health.ts'

export interface Published {
  readonly summaries: ReadonlyMap<string, Summary>
  readonly health: ReadonlyMap<string, Publication>
}

export const nothingPublished: Published = { summaries: new Map(), health: new Map() }

/**
 * What the instances of a service say of themselves, by instance. Empty where the token may not read it.
 * @throws Temporary when Consul is away
 */
export async function publishedBy(consul: Consul, service: string): Promise<Published> {
  const [figures, health] = await Promise.all([below(consul, figuresRoot(service)), below(consul, healthRoot(service))])
  return {
    summaries: parsed(figures, figuresRoot(service), ({ value }) => parseSummary(value)),
    health: parsed(health, healthRoot(service), ({ value, modifyIndex }) => {
      const one = parseHealth(value)
      return one === null ? null : { health: one, index: modifyIndex }
    }),
  }
}

/** Policies from before these keys do not name them: that must hide nothing else. */
async function below(consul: Consul, root: string): Promise<readonly Entry[]> {
  try {
    return await trees(consul, [root])
  } catch (error) {
    if (isRefusal(error)) return []
    throw error
  }
}

function parsed<T>(entries: readonly Entry[], root: string, read: (entry: Entry) => T | null): Map<string, T> {
  return new Map(
    entries.flatMap(entry => {
      const [instance, one] = [decode(entry.key.slice(root.length)), read(entry)]
      return instance === null || one === null ? [] : [[instance, one] as const]
    }),
  )
}

/** Nobody misses one that stays: this throws nothing. @param instance null for those of all instances */
export async function forgetPublished(consul: Consul, service: string, instance: string | null): Promise<void> {
  // What it has told of events stays until the service goes: it says how the instance went.
  const kinds = [
    { root: figuresRoot(service), own: instance === null ? null : figuresKey(service, instance) },
    { root: healthRoot(service), own: instance === null ? null : healthKey(service, instance) },
    ...(instance === null ? [{ root: eventsRoot(service), own: null }] : []),
  ]
  // Each for itself: the token may delete one and not the other.
  for (const { root, own } of kinds) {
    try {
      const all = own === null ? await keysBelow(consul, root) : [own]
      for (let from = 0; from < all.length; from += transactionLimit) {
        const some = all.slice(from, from + transactionLimit)
        await transact(
          consul,
          some.map(Key => ({ Verb: 'delete', Key })),
        )
      }
    } catch {
      // The token may not, or Consul is away.
    }
  }
}
