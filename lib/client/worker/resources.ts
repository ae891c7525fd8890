/**
 * `watchbill/worker`: the single process of an instance (`"per": "instance"`) as a Node program. It follows the assignment,
 * calls the program's functions for each resource, and confirms those that are over.
 */
import { appendFileSync, readFileSync, statSync } from 'node:fs'
import { limit } from './limit.ts'
import { Lives } from './lives.ts'
import { Reported } from './reported.ts'
import type { Handler, Resources } from './types.ts'

export type { Handler, Held, Logger, Resource, Resources } from './types.ts'

/** How often to read the file, ms, in case a signal is lost. */
const every = 1000

/**
 * Handles the resources that this instance is given, until SIGTERM or SIGINT: then it terminates all, calls `stop`, and ends
 * the process.
 * @throws Error when watchbill did not start this process with `"per": "instance"`
 */
export function resources(handler: Handler): Resources {
  const assignment = given('WATCHBILL_ASSIGNMENT')
  const stopping = process.env.WATCHBILL_STOPPING ?? '' // an older watchbill has none
  const confirmations = given('WATCHBILL_CONFIRMATIONS')
  const logger = handler.logger ?? console
  const most = handler.concurrency ?? Number.POSITIVE_INFINITY
  const limits = { handle: limit(most), terminate: limit(most) }
  // Written at once as a whole line: the program may end before any later code runs.
  const reported = new Reported(process.env.WATCHBILL_REPORT, process.env.WATCHBILL_READY !== undefined)
  const say = reported.note.bind(reported)
  const lives = new Lives({ handler, logger, limits, say }, line => appendFileSync(confirmations, `${line}\n`))
  let seen: string | null = null
  let closing: Promise<void> | null = null
  let ending = false
  const look = () => {
    const stamp = `${stampOf(assignment)}, ${stampOf(stopping)}`
    if (ending || stamp === seen) return
    seen = stamp
    const wanted = textOf(assignment)
    lives.follow(wanted, textOf(stopping))
  }
  const timer = setInterval(look, every)
  const finish = (ended: Promise<void>) => {
    closing ??= ended.then(async () => {
      await handler.stop?.()
    })
    return closing
  }
  const close = () => {
    if (closing === null) reported.close('its program has called close()')
    timer.unref() // while the process lives, it still confirms resources that are over
    return finish(lives.close())
  }
  const end = async () => {
    ending = true
    clearInterval(timer)
    const failure = await finish(lives.end()).then(
      () => null,
      (error: unknown) => ({ error }),
    )
    if (failure) logger.error(`cannot stop: ${String(failure.error)}`)
    process.exit(failure ? 1 : 0)
  }
  process.on('SIGWINCH', look)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, end)
  look()
  return { held: () => lives.held(), close }
}

function given(name: string): string {
  const value = process.env[name]
  if (value) return value
  throw new Error(`${name} is not set: watchbill sets it for the run.command of a definition with "per": "instance"`)
}

/** A text that changes with the file; '' when there is none. */
function stampOf(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false })
  return stat ? `${stat.ino} ${stat.size} ${stat.mtimeMs}` : ''
}

/** The file's text; '' when there is none. Without an assignment this process has no resources. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}
