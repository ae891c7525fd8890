/** Which partitions a rule is for. */

import { glob } from '../../base/glob.ts'
import type { Selector } from '../../definition/rules.ts'
import type { Trait } from '../../keys/traits.ts'

export type { Trait }

/** Partition id -> its trait. */
export type Traits = ReadonlyMap<string, Trait>

export type Select = (id: string, trait: Trait | undefined) => boolean

/** Of a rule for all partitions: it tells none from another. */
export const ofAll: Select = () => true

/** A test for partitions. */
export function select(selector: Selector | undefined): Select {
  if (selector === undefined) return ofAll
  if (typeof selector === 'string') return glob(selector)
  const { field, in: values } = selector
  return (_, trait) => {
    const value = traitAt(trait, field)
    return value !== undefined && values.includes(String(value))
  }
}

export function traitAt(trait: Trait | undefined, pointer: string): string | number | undefined {
  return trait !== undefined && Object.hasOwn(trait, pointer) ? trait[pointer] : undefined
}
