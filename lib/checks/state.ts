/** The state of one check of one partition: `partition/<id>/check/<check>/state`, one line of JSON. */

import { encode } from '../base/names.ts'
import { textOf } from '../base/tail.ts'
import type { CheckDefinition } from '../definition/checks.ts'
import type { CheckEvent } from '../hooks/event.ts'
import { readFact, readLine, removeFact, writeFactIfWanted } from '../state/facts.ts'
import type { PartitionFiles } from '../state/partition-paths.ts'

export const statuses = ['passing', 'warning', 'critical'] as const
export type Status = (typeof statuses)[number]

export function isStatus(value: unknown): value is Status {
  return statuses.some(status => status === value)
}

/** Times are boot-clock ms. */
export interface CheckState {
  /** The acquisition that the state belongs to: another acquisition starts with a fresh state. */
  readonly acquisition: string
  readonly status: Status
  /** Since when it has this status. */
  readonly since: number
  readonly output: string
  /** The last status that was reacted to, and the number of status changes so far. */
  readonly told: Status
  readonly changes: number
  /** How many times in a row the command failed. */
  readonly failures: number
  /** `due`: when the command runs next. `started`: when the running command was started; null when none runs. */
  readonly due: number
  readonly started: number | null
  /** What Consul was last told, and when. */
  readonly reported: string | null
  readonly reportedAt: number
  /** Of a check of a figure: the last value, since when it is that, and when it was last seen. */
  readonly value?: number
  readonly valueSince?: number
  readonly seen?: number
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

/** An unknown check counts as passing: a process gets time to report otherwise. */
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

/** The state of this acquisition's check; null when there is none, or it is damaged. */
export function readState(files: CheckFiles, acquisition: string): CheckState | null {
  try {
    const state = JSON.parse(readFact(files.state) ?? 'null') as CheckState | null
    return state?.acquisition === acquisition ? state : null
  } catch {
    return null
  }
}

/** Keeps nothing for a partition that was given back meanwhile. */
export function writeState(files: CheckFiles, state: CheckState): void {
  writeFactIfWanted(files.state, JSON.stringify(state))
}

const mostOutput = 4096

/** The result of a command: its exit status and output; null while it runs. */
export function takeResult(files: CheckFiles): { code: number; output: string } | null {
  const line = readLine(files.exit)
  if (line === null || !/^\d+$/.test(line)) return null
  const output = textOf(files.output, 'first', 4 * mostOutput)
    .trimEnd()
    .slice(0, mostOutput)
  removeFact(files.exit)
  return { code: Number(line), output }
}

/** The check after a status was observed. */
export function observed(state: CheckState, status: Status, output: string, now: number): CheckState {
  return status === state.status ? { ...state, output } : { ...state, status, output, since: now }
}

/** The check after its command ended: 0 is passing, 1 warning, any other status critical after enough failures. */
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
  /** The number of this status change within the acquisition, from 1. */
  readonly number: number
}

const events = { passing: 'onPass', warning: 'onWarning', critical: 'onFailure' } as const

/** A status change that has lasted long enough and was not reacted to yet; null when there is none. */
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
