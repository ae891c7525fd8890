/**
 * `duty/source`: the key that is locked by whoever fetches the set, with the session of its instance. When that is lost
 * the key is free, and the next one takes it. Its value tells everybody how the source is; it is written only when that
 * changes.
 */

import { Temporary } from '../base/errors.ts'
import { fieldsIn } from '../base/json.ts'
import type { Keys } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { base64, type Entry, entriesAt, transact } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'

export interface Duty {
  /** Who fetches, or did so last. */
  readonly by: string
  /** Why the set is not what the source has, and since when, ISO; null when it is, or is still tried. */
  readonly problem: string | null
  readonly since: string | null
  /** The first failure since the last success, and when, ISO, while it is still tried; left out otherwise. */
  readonly trying?: { readonly why: string; readonly since: string }
  /** What became of the last request by hand; null before the first. */
  readonly answer: { readonly request: string; readonly ok: boolean; readonly said: string } | null
  /** Hash of the source that was put in force, where it is asked only once. */
  readonly taken?: string
}

/** Somebody wants a fetch at once. It says what, never how. */
export interface Request {
  readonly id: string
  /** Take what would be refused. */
  readonly force: boolean
  /** Take an answer that lacks partitions in force, and nothing else that would be refused. */
  readonly applied?: boolean
}

export interface Standing {
  /** Null when another instance fetches. */
  readonly duty: Duty | null
  /** The index of the duty's last change, for what is told once. */
  readonly index: number
  /** Who fetches. */
  readonly by: string
  /** What was asked for and has not been answered yet. */
  readonly request: Request | null
  /** Somebody has written a set. */
  readonly defined: boolean
}

/** Takes the duty if nobody has it. @throws Temporary when Consul is away */
export async function takeDuty(consul: Consul, keys: Keys, instance: string, session: string): Promise<Standing> {
  const entries = await entriesAt(consul, [keys.duty('source'), keys.sync, keys.revision])
  const at = (wanted: string) => entries.find(({ key }) => key === wanted)
  const entry = at(keys.duty('source'))
  const duty = dutyFrom(entry?.value ?? null)
  const request = requestFrom(at(keys.sync)?.value ?? null)
  const rest = {
    index: entry?.modifyIndex ?? 0,
    request: request?.id === duty.answer?.request ? null : request,
    defined: at(keys.revision) !== undefined,
  }
  if (entry?.session && entry.session !== session) return { ...rest, duty: null, by: duty.by }
  const own = { ...duty, by: instance }
  if (!entry?.session && !(await write(consul, keys, session, own, entry)))
    return { ...rest, duty: null, by: 'another' }
  return { ...rest, duty: own, by: instance }
}

/** @throws Temporary when the duty was lost meanwhile */
export async function updateDuty(consul: Consul, keys: Keys, session: string, duty: Duty): Promise<void> {
  if (await write(consul, keys, session, duty)) return
  throw new Temporary(`cannot write ${keys.duty('source')}: another instance fetches now; it goes on`)
}

/** Lets another instance have it, which goes on from what it says. @returns false when it was not ours */
export async function leaveDuty(consul: Consul, keys: Keys, session: string): Promise<boolean> {
  const [entry] = await entriesAt(consul, [keys.duty('source')])
  if (entry?.session !== session) return false
  const { key: Key, modifyIndex: Index, value } = entry
  const unlock = { Verb: 'unlock', Key, Session: session, Value: base64(value ?? '{}') } as const
  return (await transact(consul, [{ Verb: 'check-index', Key, Index }, unlock])).done
}

/** What must hold for the fetched set to be written. */
export function stillOnDuty(keys: Keys, session: string): Operation {
  return { Verb: 'check-session', Key: keys.duty('source'), Session: session }
}

async function write(consul: Consul, keys: Keys, session: string, duty: Duty, asRead?: Entry): Promise<boolean> {
  const Key = keys.duty('source')
  const check = asRead ? [{ Verb: 'check-index', Key, Index: asRead.modifyIndex } as const] : []
  const lock = { Verb: 'lock', Key, Session: session, Value: base64(JSON.stringify(duty)) } as const
  return (await transact(consul, [...check, lock])).done
}

/** How a first answer is refused that lacks what stood in the definition before the source. */
export const definitionsLoss = 'partitions of the definition before it'

export function isDefinitionsLoss(problem: string | null): boolean {
  return problem?.includes(definitionsLoss) ?? false
}

/** A garbled value is that of nobody. */
export function dutyFrom(text: string | null): Duty {
  const { by, problem, since, answer, trying, taken } = fieldsIn(text)
  const failing = (trying ?? {}) as Record<string, unknown>
  const { request, ok, said } = (answer ?? {}) as Record<string, unknown>
  const answered = typeof request === 'string' && typeof said === 'string' && typeof ok === 'boolean'
  return {
    by: typeof by === 'string' ? by : '',
    problem: typeof problem === 'string' ? problem : null,
    since: typeof since === 'string' ? since : null,
    answer: answered ? { request, ok, said } : null,
    ...(typeof failing.why === 'string' &&
      typeof failing.since === 'string' && { trying: { why: failing.why, since: failing.since } }),
    ...(typeof taken === 'string' && { taken }),
  }
}

export function requestFrom(text: string | null): Request | null {
  const { id, force, applied } = fieldsIn(text)
  return typeof id === 'string' ? { id, force: force === true, applied: applied === true } : null
}

/** What asks for a fetch, as it is written to spec/sync. */
export function requestValue(request: Request): string {
  return base64(JSON.stringify({ ...request, at: new Date().toISOString() }))
}
