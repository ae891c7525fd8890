/**
 * `duty/scheduler`: the instance that runs the scheduler locks this key with its session. The value tells everyone how the
 * scheduler is and what it can be asked, and is written only when that changes. What changes at each run stands elsewhere, in
 * `watchbill/.scheduler/<service>/`: the index of the service's own keys tells every instance whether a look is needed.
 */

import { Temporary } from '../base/errors.ts'
import { fieldsIn, textIn } from '../base/json.ts'
import type { Keys } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { base64, type Entry, entriesAt, transact } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'
import type { Actions } from '../definition/assign.ts'

export interface SchedulerDuty {
  /** The instance that runs it, or ran it last. */
  readonly by: string
  /** Why there is no newer plan, and since when, ISO; null while all is well. */
  readonly problem: string | null
  readonly since: string | null
  readonly actions: Actions
}

export interface SchedulerStanding {
  /** Null when another instance runs it. */
  readonly duty: SchedulerDuty | null
  /** The index of the duty's last change, so that each change is told once. */
  readonly index: number
  readonly by: string
}

const dutyName = 'scheduler'

/** A garbled value means that no instance has run it yet. */
export function schedulerDutyFrom(text: string | null): SchedulerDuty {
  const { by, problem, since, actions } = fieldsIn(text)
  return {
    by: textIn(by),
    problem: typeof problem === 'string' ? problem : null,
    since: typeof since === 'string' ? since : null,
    actions: actionsIn(actions),
  }
}

function actionsIn(value: unknown): Actions {
  const found = Object.entries((value ?? {}) as object).map(([name, action]) => {
    const { title, arguments: named } = (action ?? {}) as Record<string, unknown>
    const all = Object.entries((named ?? {}) as object).map(([one, what]) => [one, textIn(what)])
    return [name, { title: textIn(title), arguments: Object.fromEntries(all) }]
  })
  return Object.fromEntries(found)
}

export async function readSchedulerDuty(consul: Consul, keys: Keys): Promise<SchedulerDuty | null> {
  const [entry] = await entriesAt(consul, [keys.duty(dutyName)])
  return entry === undefined ? null : schedulerDutyFrom(entry.value)
}

/** Takes the duty if no instance has it. @throws Temporary when Consul is away */
export async function takeSchedulerDuty(
  consul: Consul,
  keys: Keys,
  instance: string,
  session: string,
): Promise<SchedulerStanding> {
  const [entry] = await entriesAt(consul, [keys.duty(dutyName)])
  const before = schedulerDutyFrom(entry?.value ?? null)
  const index = entry?.modifyIndex ?? 0
  if (entry?.session && entry.session !== session) return { duty: null, index, by: before.by }
  const duty = { ...before, by: instance }
  if (!entry?.session && !(await write(consul, keys, session, duty, entry))) return { duty: null, index, by: 'another' }
  return { duty, index, by: instance }
}

/** @throws Temporary when the duty was lost meanwhile */
export async function updateSchedulerDuty(
  consul: Consul,
  keys: Keys,
  session: string,
  duty: SchedulerDuty,
): Promise<void> {
  if (await write(consul, keys, session, duty)) return
  throw new Temporary(`cannot write ${keys.duty(dutyName)}: another instance runs the scheduler now; it goes on`)
}

/** Its definition has no scheduler any more: another instance may have one. @returns false when the duty was not ours */
export async function leaveSchedulerDuty(consul: Consul, keys: Keys, session: string): Promise<boolean> {
  const [entry] = await entriesAt(consul, [keys.duty(dutyName)])
  if (entry?.session !== session) return false
  const { key: Key, modifyIndex: Index, value } = entry
  const unlock = { Verb: 'unlock', Key, Session: session, Value: base64(value ?? '{}') } as const
  return (await transact(consul, [{ Verb: 'check-index', Key, Index }, unlock])).done
}

/** The condition under which a plan may be written. */
export function stillScheduling(keys: Keys, session: string): Operation {
  return { Verb: 'check-session', Key: keys.duty(dutyName), Session: session }
}

async function write(
  consul: Consul,
  keys: Keys,
  session: string,
  duty: SchedulerDuty,
  asRead?: Entry,
): Promise<boolean> {
  const Key = keys.duty(dutyName)
  const check = asRead ? [{ Verb: 'check-index', Key, Index: asRead.modifyIndex } as const] : []
  const lock = { Verb: 'lock', Key, Session: session, Value: base64(JSON.stringify(duty)) } as const
  return (await transact(consul, [...check, lock])).done
}
