/** Reads the arguments of `lock`. */
import { duration } from '../base/clock.ts'
import { Permanent } from '../base/errors.ts'
import { longestWait, takeoverWait } from '../keys/lock.ts'
import type { Terms } from '../state/local.ts'

/** How often a holder proves its lock, ms. The shortest lease has time for two proofs, and 1.5 s for a slow one. */
export const renewEvery = 2000
const shortestLease = 2 * renewEvery + 1500

/** A lock's spec and slots are created and changed in one transaction of at most 64 operations. */
export const mostSlots = 60
const longestLabel = 200

export interface Order {
  readonly name: string
  /** The program and its arguments. */
  readonly command: readonly [string, ...string[]]
  readonly terms: Terms
  readonly slots: number
  /** How long to wait for the lock, ms; null for no limit. */
  readonly wait: number | null
  /** How long the command may run, ms; null for no limit. */
  readonly timeout: number | null
  /** Text that others see beside the host and pid of a holder or waiter; null for none. */
  readonly label: string | null
  /** Whether the command gets our stdin even when that is not a terminal. */
  readonly passStdin: boolean
  /** The exit status when the lock could not be taken in time. */
  readonly conflict: number
}

export interface Arguments {
  readonly lock?: string | undefined
  readonly name?: string | undefined
  readonly shell?: boolean | undefined
  readonly passStdin?: boolean | undefined
  readonly conflictExitCode?: string | undefined
  readonly json?: boolean | undefined
  /** `--no-wait` is the "no" of `--wait`, as citty reads it. */
  readonly wait?: string | boolean | undefined
  readonly timeout?: string | undefined
  readonly slots: string
  readonly lease: string
  readonly grace: string
}

/** @param rest the words after the first `--`. @throws Permanent that names the wrong argument */
export function orderFrom(args: Arguments, rest: readonly string[], env: NodeJS.ProcessEnv = process.env): Order {
  const [name, [program, ...words]] = nameAndCommand(args.lock, rest)
  if (program === undefined) throw wrong('there is no command; give it after --')
  if (args.json) throw wrong('--json goes with --list')
  return {
    name,
    command: args.shell ? shellCommand(program, words, env) : [program, ...words],
    terms: termsFrom(args.lease, args.grace),
    slots: slotsFrom(args.slots),
    wait: args.wait === false ? 0 : limitFrom('wait', args.wait as string | undefined),
    timeout: limitFrom('timeout', args.timeout),
    label: args.name === undefined ? null : labelFrom(args.name),
    passStdin: args.passStdin === true,
    conflict: conflictFrom(args.conflictExitCode ?? '1'),
  }
}

/** The shell is chosen as `flock -c` and `consul lock` do. */
function shellCommand(line: string, more: readonly string[], { SHELL }: NodeJS.ProcessEnv): [string, ...string[]] {
  // Joined by spaces, as consul lock does it, the words would lose the quotes that the caller gave them.
  if (more.length > 0) throw wrong('--shell takes the command as one word; put it in quotes')
  return [SHELL || '/bin/sh', '-c', line]
}

/** Checks --name, which is written into the lock and printed by others. */
function labelFrom(text: string): string {
  const { length } = [...text]
  if (length > longestLabel) throw wrong(`--name has ${length} characters; use at most ${longestLabel}`)
  if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(text)) throw wrong('--name holds control characters; leave them out')
  return text
}

function conflictFrom(text: string): number {
  if (/^\d{1,3}$/.test(text) && Number(text) <= 255) return Number(text)
  throw wrong(`--conflict-exit-code ${text} is no number from 0 to 255`)
}

/** The lock that `--list` shows; null for all. @throws Permanent when a command is given */
export function nameToList({ lock }: { readonly lock?: string | undefined }, rest: readonly string[]): string | null {
  const [name = null, ...more] = lock === undefined ? rest : [lock, ...rest]
  if (more.length > 0) throw wrong(`--list runs nothing, and "${more[0]}" is one argument too many`)
  return name
}

/** A name that begins with a dash comes after the first `--`, and the command after a second one. */
function nameAndCommand(name: string | undefined, rest: readonly string[]): [string, readonly string[]] {
  if (name !== undefined) return [name, rest]
  const [first, ...others] = rest
  if (first === undefined) throw wrong('there is no name; give the name of the lock')
  return [first, others[0] === '--' ? others.slice(1) : others]
}

function termsFrom(leaseText: string, graceText: string): Terms {
  const lease = durationOf('lease', leaseText)
  const grace = durationOf('grace', graceText)
  if (lease < shortestLease) throw wrong(`--lease ${leaseText} is less than ${shortestLease / 1000} s; raise it`)
  if (takeoverWait(lease, grace) < lease + grace + 1000) {
    throw wrong(`--lease + --grace + 1 s is more than ${longestWait / 1000} s; lower one of them`)
  }
  return { lease, grace }
}

function slotsFrom(text: string): number {
  if (/^[1-9]\d?$/.test(text) && Number(text) <= mostSlots) return Number(text)
  throw wrong(`--slots ${text} is no number from 1 to ${mostSlots}`)
}

function limitFrom(option: string, text: string | undefined): number | null {
  return text === undefined ? null : durationOf(option, text)
}

function durationOf(option: string, text: string | boolean): number {
  const ms = typeof text === 'string' ? duration(text) : null
  if (ms === null) throw wrong(`--${option} ${text} is no duration; give one such as 30s, 500ms or 5m`)
  return ms
}

function wrong(why: string): Permanent {
  return new Permanent(`cannot read the arguments: ${why}; see --help`)
}
