/** Handles keys that agents from Consul 1.22 on refuse: see `keyRefusal` in base/names.ts. */
import { Permanent } from '../base/errors.ts'
import { keyRefusal } from '../base/names.ts'

/** This agent refuses the key. Consul then reads and writes nothing of the whole transaction. */
export class RefusedKey extends Permanent {
  constructor(key: string) {
    super(
      `cannot use the key ${key}: the agent of this Consul refuses keys that hold ${keyRefusal(key)}; rename what it is the key of, see Names in docs/consul-versions.md`,
    )
  }
}

/** The first of these keys that newer agents refuse. */
export function refusable(keys: readonly string[]): string | undefined {
  return keys.find(key => keyRefusal(key) !== null)
}

/**
 * The items whose key every agent takes, and the others. One refused key makes its whole transaction fail, so no
 * transaction holds both kinds.
 */
export function apart<T>(items: readonly T[], keyOf: (item: T) => string): [taken: T[], others: T[]] {
  const taken: T[] = []
  const others: T[] = []
  for (const item of items) (keyRefusal(keyOf(item)) === null ? taken : others).push(item)
  return [taken, others]
}

/** The value of `work`, or `otherwise` when the agent refuses a key. */
export async function unlessRefused<T>(work: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (error instanceof RefusedKey) return otherwise
    throw error
  }
}
