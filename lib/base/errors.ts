/**
 * The two ways a program can fail that are not bugs. lib throws them; only the frame (lib/program/frame.ts) turns them
 * into a line and an exit code. The message is one line: `cannot <act> <object>: <reason>; <what to do next>`.
 */

/** Usage, definition or contract is wrong: trying again changes nothing. Exit code 100. */
export class Permanent extends Error {
  override name = 'Permanent'
}

/** Consul is away, something is busy, a deadline passed: trying again later may help. Exit code 111. */
export class Temporary extends Error {
  override name = 'Temporary'
}

/** The message of any thrown value, on one line. */
export function reason(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error)
  return text.replace(/\s+/g, ' ').trim()
}
