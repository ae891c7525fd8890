/** Waits for a condition with a deadline; the only way tests wait. */
import { setTimeout as pause } from 'node:timers/promises'
import { inspect } from 'node:util'
import { reason } from '../../lib/base/errors.ts'

export interface Patience {
  /** How long to wait in all, ms. */
  deadline?: number
  /** How long to rest between two looks, ms. */
  every?: number
}

type NotYet = false | null | undefined
/** Returns its argument, and keeps it for the error message when the deadline passes. */
export type See = <V>(value: V) => V
export type Condition<T> = (see: See) => T | NotYet | Promise<T | NotYet>

const over = Symbol('the deadline passed')

/**
 * Looks until `condition` gives something other than false, null or undefined, and returns that (0 and '' count as
 * given). A condition that throws is "not yet": an agent that is not up refuses the connection.
 * A condition that hangs, as a cut-off agent does, ends at the deadline too.
 * @param what completes "waited 10000 ms for …"
 * @throws Error with `what` and what was seen last
 */
export async function until<T>(what: string, condition: Condition<T>, patience: Patience = {}): Promise<T> {
  const { deadline = 10_000, every = 50 } = patience
  const end = performance.now() + deadline
  let seen: unknown = 'nothing'
  const see: See = value => {
    seen = inspect(value, { breakLength: Number.POSITIVE_INFINITY, depth: 5 })
    return value
  }
  for (;;) {
    const [value, failure] = await look(condition, see, end)
    if (value !== null && value !== undefined && value !== false) return value
    if (failure) seen = reason(failure)
    if (performance.now() + every >= end) throw new Error(`waited ${deadline} ms for ${what}; last seen: ${seen}`)
    await pause(every)
  }
}

async function look<T>(condition: Condition<T>, see: See, end: number): Promise<[T | NotYet, unknown?]> {
  const timer = new AbortController()
  try {
    const late = pause(Math.max(1, end - performance.now()), over, { signal: timer.signal })
    // Its abort below is no failure of the condition.
    late.catch(() => {})
    const value = await Promise.race([condition(see), late])
    return value === over ? [null, 'a look that did not end'] : [value as T | NotYet]
  } catch (error) {
    return [null, error]
  } finally {
    timer.abort()
  }
}
