/**
 * What an instance offers for placement, in its member key: the `meta` of its definition over the `node_meta` of its Consul
 * agent, its data center and its tags. Anybody may have written the key.
 */
import type { NodeOffers } from '../consul/health.ts'
import type { Definition } from '../definition/definition.ts'

export interface Offers {
  /** Every value is a text, as Consul keeps them: a number is written as JSON writes it. */
  readonly meta: Readonly<Record<string, string>>
  /** Empty when Consul has not told it. */
  readonly datacenter: string
  readonly tags: readonly string[]
}

export const noOffers: Offers = { meta: {}, datacenter: '', tags: [] }

/** The most bytes of JSON that `meta` and `tags` may each take in the member key. */
export const mostOffered = 4096

/**
 * What this instance offers. Its own `meta` is at most 4 KiB, which the schema guarantees; of `node_meta` it adds, by name,
 * what still fits.
 */
export function offersOf({ meta = {}, tags }: Pick<Definition, 'meta' | 'tags'>, node: NodeOffers = {}): Offers {
  const all: Record<string, string> = { ...meta }
  let size = bytes(all)
  for (const [name, value] of Object.entries(node.meta ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (Object.hasOwn(all, name)) continue
    const more = bytes({ [name]: value })
    if (size + more > mostOffered) continue
    size += more
    all[name] = value
  }
  return { meta: sorted(all), datacenter: node.datacenter ?? '', tags: bytes(tags) > mostOffered ? [] : tags }
}

/** The fields of the member key. A field that offers nothing is left out. */
export function offersFields({ meta, datacenter, tags }: Offers): Record<string, unknown> {
  return {
    ...(Object.keys(meta).length > 0 && { meta }),
    ...(datacenter !== '' && { datacenter }),
    ...(tags.length > 0 && { tags }),
  }
}

/** The offers in a member key's fields; undefined when there are none. What is garbled or too large offers nothing. */
export function offersIn({ meta, datacenter, tags }: Record<string, unknown>): Offers | undefined {
  const found: Offers = {
    meta: isTexts(meta) && bytes(meta) <= mostOffered ? sorted(meta) : {},
    datacenter: typeof datacenter === 'string' && datacenter.length <= 256 ? datacenter : '',
    tags: Array.isArray(tags) && tags.every(isText) && bytes(tags) <= mostOffered ? tags : [],
  }
  return Object.keys(offersFields(found)).length > 0 ? found : undefined
}

/** Whether two offers are the same, whatever the order of their fields. */
export function sameOffers(one: Offers | undefined, other: Offers | undefined): boolean {
  return JSON.stringify(offersFields(one ?? noOffers)) === JSON.stringify(offersFields(other ?? noOffers))
}

function sorted(texts: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(texts).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function isTexts(value: unknown): value is Record<string, string> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(isText)
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function bytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value))
}
