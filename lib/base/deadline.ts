/**
 * Which program this process is, and by when it ends itself. lib/program/frame.ts sets both. The program writes them
 * into the locks that it takes, so that the guard recognises a program that hangs.
 */
import { bootClock, steadyClock } from './clock.ts'

export interface Limit {
  readonly program: string
  /** Boot clock, ms; null for none. */
  readonly until: number | null
}

/** Kept on the global object, because in a release this file is part of several bundles. */
const place = globalThis as { [key: symbol]: { readonly program: string; readonly end: number | null } | undefined }
const key = Symbol.for('watchbill.limit')

/** @param deadline ms from now; null for none */
export function limitRun(program: string, deadline: number | null): void {
  place[key] = { program, end: deadline === null ? null : steadyClock() + deadline }
}

export function ownLimit(): Limit {
  const { program, end } = place[key] ?? { program: '-', end: null }
  return { program, until: end === null ? null : Math.round(bootClock() + end - steadyClock()) }
}
