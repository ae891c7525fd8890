/** What is known of one check of one partition: `partition/<id>/check/<check>/state`, one line of JSON. */

import { encode } from '../base/names.ts'
import { textOf } from '../base/tail.ts'
import type { CheckDefinition } from '../definition/definition.ts'
import type { CheckEvent } from '../hooks/event.ts'
import { readFact, readLine, removeFact, writeFactIfWanted } from '../state/facts.ts'
import type { PartitionFiles } from '../state/paths.ts'

export const statuses = ['passing', 'warning', 'critical'] as const
export type Status = (typeof statuses)[number]

export function isStatus(value: unknown): value is Status {
  return statuses.some(status => status === value)
}

/** Times are boot-clock ms. */
export interface CheckState {
  /** The acquisition it belongs to: another one starts anew. */
  readonly acquisition: string
  readonly status: Status
  /** Since when it is so. */
  readonly since: number
  readonly output: string
  /** The last status that something was done about, and how many there were. */
  readonly told: Status
  readonly changes: number
  /** Failures of the command in a row. */
  readonly failures: number
  /** When the command is due, and when the one that runs now was started; null when none does. */
  readonly due: number
  readonly started: number | null
  /** What Consul was told last, and when. */
  readonly reported: string | null
  readonly reportedAt: number
}

export interface CheckFiles {
  readonly directory: string
  readonly state: string
  readonly exit: string
  readonly output: string
}

export function checkFiles(files: PartitionFiles, check: string): CheckFiles {
  const directory = `${files.checks}/${encode(check)}`
  return { directory, state: `${directory}/state`, exit: `${directory}/exit`, output: `${directory}/output` }
}

/** A check that nothing is known of counts as passing: a process gets its time to say otherwise. */
export function fresh(acquisition: string, now: number, due: number): CheckState {
  return {
    acquisition,
    status: 'passing',
    since: now,
    output: '',
    told: 'passing',
    changes: 0,
    failures: 0,
    due,
    started: null,
    reported: null,
    reportedAt: 0,
  }
}

/** The state of this acquisition's check; null when there is none, or a torn one. */
export function readState(files: CheckFiles, acquisition: string): CheckState | null {
  try {
    const state = JSON.parse(readFact(files.state) ?? 'null') as CheckState | null
    return state?.acquisition === acquisition ? state : null
  } catch {
    return null
  }
}

/** Of a partition that was given back meanwhile nothing is kept. */
export function writeState(files: CheckFiles, state: CheckState): void {
  writeFactIfWanted(files.state, JSON.stringify(state))
}

const mostOutput = 4096

/** How a command that was started has ended: its exit status and what it printed; null while it runs. */
export function takeResult(files: CheckFiles): { code: number; output: string } | null {
  const line = readLine(files.exit)
  if (line === null || !/^\d+$/.test(line)) return null
  const output = textOf(files.output, 'first', 4 * mostOutput)
    .trimEnd()
    .slice(0, mostOutput)
  removeFact(files.exit)
  return { code: Number(line), output }
}

/** The check after its status was seen. */
export function observed(state: CheckState, status: Status, output: string, now: number): CheckState {
  return status === state.status ? { ...state, output } : { ...state, status, output, since: now }
}

/** The check after its command ended: 0 is passing, 1 a warning, anything else critical once it happened often enough. */
export function ended(
  state: CheckState,
  check: Pick<CheckDefinition, 'failuresBeforeCritical'>,
  { code, output }: { readonly code: number; readonly output: string },
  now: number,
): CheckState {
  const failures = code > 1 ? state.failures + 1 : 0
  const next = { ...state, failures, started: null }
  if (failures > 0 && failures < check.failuresBeforeCritical) return { ...next, output }
  return observed(next, statuses[Math.min(code, 2)] as Status, output, now)
}

export interface Transition {
  readonly event: CheckEvent
  readonly previous: Status
  /** Which change of this acquisition it is, from 1 on. */
  readonly number: number
}

const events = { passing: 'onPass', warning: 'onWarning', critical: 'onFailure' } as const

/** A change that has lasted long enough and that nothing was done about yet; null when there is none. */
export function transitionOf(
  state: CheckState,
  { forMs }: Pick<CheckDefinition, 'forMs'>,
  now: number,
): Transition | null {
  if (state.status === state.told || now - state.since < forMs) return null
  return { event: events[state.status], previous: state.told, number: state.changes + 1 }
}

export function toldOf(state: CheckState, { number }: Transition): CheckState {
  return { ...state, told: state.status, changes: number }
}
