/**
 * `duty/source`: the instance that fetches the partition set locks this key with its session. When the session is lost
 * the key is free, and another instance takes the duty. The value tells everyone how the source is, and is written only
 * when that changes.
 */

import { Temporary } from '../base/errors.ts'
import { fieldsIn } from '../base/json.ts'
import type { Keys } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { base64, type Entry, entriesAt, transact } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'
import { type CountInForce, countFrom } from './count.ts'
import { type Freeze, freezeFrom } from './freeze.ts'

export interface Duty {
  /** The instance that fetches, or fetched last. */
  readonly by: string
  /**
   * Why the set differs from the source, and since when, ISO. Null when it does not, or while fetching is still
   * retried.
   */
  readonly problem: string | null
  readonly since: string | null
  /** The first failure since the last success, and its time, ISO, while it is retried; left out otherwise. */
  readonly trying?: { readonly why: string; readonly since: string }
  /** The outcome of the last request by a person; null before the first. */
  readonly answer: { readonly request: string; readonly ok: boolean; readonly said: string } | null
  /** Hash of the source whose set is in force, for a source that is fetched only once. */
  readonly taken?: string
}

/** A person asks for a fetch at once. The request says what to do, not how. */
export interface Request {
  readonly id: string
  /** Accept an answer that would otherwise be refused. */
  readonly force: boolean
  /** Accept an answer that removes partitions, but no other answer that would be refused. */
  readonly applied?: boolean
}

export interface Standing {
  /** Null when another instance fetches. */
  readonly duty: Duty | null
  /** The index of the duty's last change, so that each change is told once. */
  readonly index: number
  /** The instance that fetches. */
  readonly by: string
  /** A request that is not answered yet. */
  readonly request: Request | null
  /** A partition set has been written. */
  readonly defined: boolean
  /** While it says so, no set shrinks. */
  readonly freeze: Freeze | null
  /** People have set the number of partitions: no source is asked until they reset it. */
  readonly count: CountInForce | null
}

/** Takes the duty if no instance has it. @throws Temporary when Consul is away */
export async function takeDuty(consul: Consul, keys: Keys, instance: string, session: string): Promise<Standing> {
  const entries = await entriesAt(consul, [keys.duty('source'), keys.sync, keys.revision, keys.freeze, keys.number])
  const at = (wanted: string) => entries.find(({ key }) => key === wanted)
  const entry = at(keys.duty('source'))
  const duty = dutyFrom(entry?.value ?? null)
  const request = requestFrom(at(keys.sync)?.value ?? null)
  const rest = {
    index: entry?.modifyIndex ?? 0,
    request: request?.id === duty.answer?.request ? null : request,
    defined: at(keys.revision) !== undefined,
    freeze: freezeFrom(at(keys.freeze)),
    count: countFrom(at(keys.number)),
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

/**
 * Releases the duty to another instance, which continues from the duty's value.
 * @returns false when the duty was not ours
 */
export async function leaveDuty(consul: Consul, keys: Keys, session: string): Promise<boolean> {
  const [entry] = await entriesAt(consul, [keys.duty('source')])
  if (entry?.session !== session) return false
  const { key: Key, modifyIndex: Index, value } = entry
  const unlock = { Verb: 'unlock', Key, Session: session, Value: base64(value ?? '{}') } as const
  return (await transact(consul, [{ Verb: 'check-index', Key, Index }, unlock])).done
}

/** The condition under which a fetched set may be written. */
export function stillOnDuty(keys: Keys, session: string): Operation {
  return { Verb: 'check-session', Key: keys.duty('source'), Session: session }
}

async function write(consul: Consul, keys: Keys, session: string, duty: Duty, asRead?: Entry): Promise<boolean> {
  const Key = keys.duty('source')
  const check = asRead ? [{ Verb: 'check-index', Key, Index: asRead.modifyIndex } as const] : []
  const lock = { Verb: 'lock', Key, Session: session, Value: base64(JSON.stringify(duty)) } as const
  return (await transact(consul, [...check, lock])).done
}

/** The words that refuse a first answer which lacks partitions that the definition listed before it had a source. */
export const definitionsLoss = 'partitions of the definition before it'

export function isDefinitionsLoss(problem: string | null): boolean {
  return problem?.includes(definitionsLoss) ?? false
}

/** A garbled value means that no instance has fetched yet. */
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

/** The value of spec/sync that requests a fetch. */
export function requestValue(request: Request): string {
  return base64(JSON.stringify({ ...request, at: new Date().toISOString() }))
}
