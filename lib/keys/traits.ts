/**
 * `trait/<partition>`: what the rules of placement need of a document, so that no look has to read documents. One member reads
 * the documents for all: see act/read-traits.ts.
 */

import { rawNumber } from '../base/exact-json.ts'
import { fieldsIn } from '../base/json.ts'
import { decode, type Keys } from '../base/names.ts'
import { pointedAt } from '../base/pointer.ts'
import type { Consul } from '../consul/http.ts'
import { apartBelow, trees } from '../consul/kv.ts'
import { mostText } from '../definition/rules.ts'

/** JSON pointer -> the text or number there. */
export type Trait = Readonly<Record<string, string | number>>

export interface TraitKey {
  readonly trait: Trait
  /** The pointers that were looked up, as one line; null for a garbled key. */
  readonly of: string | null
  /** The ModifyIndex of the document that was read. */
  readonly document: number
  /** The key's own ModifyIndex. */
  readonly index: number
}

export interface TraitsFound {
  readonly keys: ReadonlyMap<string, TraitKey>
  /** For which change of the set and of the documents all of them were read: see `markOf`. */
  readonly mark: string
}

export const noTraits: TraitsFound = { keys: new Map(), mark: '' }

const garbled = { trait: {}, of: null, document: 0 }

/** @throws Temporary when Consul cannot be read */
export async function readTraits(consul: Consul, keys: Keys): Promise<TraitsFound> {
  const prefixes = [keys.traits, keys.traitsOf]
  const [below = [], [own] = []] = apartBelow(await trees(consul, prefixes), prefixes)
  const found = new Map<string, TraitKey>()
  for (const { key, value, modifyIndex } of below) {
    const id = decode(key.slice(keys.traits.length))
    if (id === null) continue
    const { of, document, trait } = fieldsIn(value)
    const isWhole = typeof of === 'string' && typeof document === 'number' && isTrait(trait)
    found.set(id, { ...(isWhole ? { trait, of, document } : garbled), index: modifyIndex })
  }
  return { keys: found, mark: own?.value ?? '' }
}

/** Those that were read by these pointers. */
export function traitsBy({ keys }: TraitsFound, pointers: readonly string[]): ReadonlyMap<string, Trait> {
  const line = pointers.join(' ')
  return new Map([...keys].flatMap(([id, { of, trait }]) => (of === line ? [[id, trait] as const] : [])))
}

/** What must have stayed the same for traits to be of the present documents. */
export function markOf(
  { revision, documentsIndex }: { readonly revision: number; readonly documentsIndex: number | null },
  pointers: readonly string[],
): string {
  return [revision, documentsIndex ?? 0, ...pointers].join(' ')
}

/** What a document says at these pointers. Anything but a short text, a number, true and false counts as missing. */
export function traitOf(document: unknown, pointers: readonly string[]): Trait {
  return Object.fromEntries(
    pointers.flatMap(pointer => {
      const value = scalar(pointedAt(document, pointer))
      return value === null ? [] : [[pointer, value] as const]
    }),
  )
}

function scalar(value: unknown): string | number | null {
  const raw = rawNumber(value)
  const found = raw === null ? value : Number(raw)
  if (typeof found === 'number') return Number.isFinite(found) ? found : null
  if (typeof found === 'boolean') return String(found)
  return typeof found === 'string' && found.length <= mostText ? found : null
}

function isTrait(value: unknown): value is Trait {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.values(value).every(one => typeof one === 'string' || typeof one === 'number')
}
