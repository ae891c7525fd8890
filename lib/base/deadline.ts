/**
 * Which program this process is, and by when it ends itself. Told by the frame, and written into the locks that the
 * program takes, so that the guard knows of one that hangs.
 */
import { bootClock } from './clock.ts'

export interface Limit {
  readonly program: string
  /** Boot clock, ms; null for none. */
  readonly until: number | null
}

/** On the global object: in a release this file stands in several bundles. */
const place = globalThis as { [key: symbol]: { readonly program: string; readonly end: number | null } | undefined }
const key = Symbol.for('watchbill.limit')

/** @param deadline ms from now; null for none */
export function limitRun(program: string, deadline: number | null): void {
  place[key] = { program, end: deadline === null ? null : performance.now() + deadline }
}

export function ownLimit(): Limit {
  const { program, end } = place[key] ?? { program: '-', end: null }
  return { program, until: end === null ? null : Math.round(bootClock() + end - performance.now()) }
}
