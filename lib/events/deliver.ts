/**
 * Does what is to be done about events: runs the commands of hooks, each with the event as JSON on its stdin, and the
 * built-in reactions. What fails is tried again, later each time, and given up after some tries; it holds up nobody.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { bootClock, seconds } from '../clock.ts'
import type { Definition } from '../definition/definition.ts'
import { reason } from '../errors.ts'
import type { Reconcile } from '../reconcile.ts'
import { writeFact } from '../state/facts.ts'
import { type Event, isBuiltIn, reactionsTo } from './event.ts'
import { done, longestPutOff, putOff, type Waiting, waiting } from './queue.ts'
import { react } from './react.ts'
import { forgetHook, type Hook, startHooks, stateOfHook } from './run-hook.ts'

/** So many hooks run at once. */
const atOnce = 16
/** The first retry comes after this, each further one after twice as long as the one before, ms. */
const firstRetry = 1000
const mostFailures = 8
const poll = 50

/** Goes on until nothing is due any more, and writes down when the next try is. */
export async function deliver(run: Reconcile, definition: Definition): Promise<void> {
  const reacting = new Map<string, Promise<void>>()
  for (;;) {
    const now = bootClock()
    const running = waiting(run.files).filter(one => isUnderWay(run, one))
    const due = waiting(run.files).filter(
      one => one.notBefore <= now && !reacting.has(one.directory) && stateOfHook(one) === null,
    )
    const hooks: Hook[] = []
    const busy = new Set(running.map(subjectOf))
    for (const one of due) {
      const reaction = reactionsTo(definition, one.event)[one.reaction]
      if (reaction === undefined) end(run, one, 'the definition wants nothing done about it any more')
      else if (isBuiltIn(reaction)) reacting.set(one.directory, doBuiltIn(run, definition, one, reaction))
      else if (running.length + hooks.length < atOnce && !busy.has(subjectOf(one))) {
        busy.add(subjectOf(one))
        hooks.push({ ...one, command: reaction })
      }
    }
    await startHooks(run, definition, hooks)
    if (running.length + hooks.length + reacting.size === 0) break
    await Promise.race([...reacting.values(), delay(poll)])
  }
  const next = Math.min(...waiting(run.files).map(({ notBefore }) => notBefore))
  writeFact(run.files.eventsDue, Number.isFinite(next) ? String(next) : 'none')

  function doBuiltIn(...[run, definition, one, reaction]: Parameters<typeof builtIn>): Promise<void> {
    return builtIn(run, definition, one, reaction).finally(() => reacting.delete(one.directory))
  }
}

/** What happens to one partition is told in its order; what failed lets the next one pass. */
function subjectOf({ event }: Waiting): string | null {
  return event.partition
}

/** Whether a hook still runs; one that has ended is told of, and done or put off. */
function isUnderWay(run: Reconcile, one: Waiting): boolean {
  const state = stateOfHook(one)
  if (state === null || state === 'running') return state === 'running'
  if (state.failure === null) end(run, one, 'hook done')
  else fail(run, one, state.failure)
  return false
}

async function builtIn(
  run: Reconcile,
  definition: Definition,
  one: Waiting,
  reaction: Parameters<typeof react>[3],
): Promise<void> {
  try {
    end(run, one, await react(run, definition, one.event, reaction))
  } catch (error) {
    fail(run, one, reason(error))
  }
}

function end(run: Reconcile, one: Waiting, how: string): void {
  run.log(`${describe(one.event)}: ${how}`)
  done(run.files, one)
}

function fail(run: Reconcile, one: Waiting, why: string): void {
  const failures = one.failures + 1
  if (failures >= mostFailures) {
    end(run, one, `failed ${failures} times, given up: ${why}`)
    return
  }
  const wait = Math.min(firstRetry * 2 ** one.failures, longestPutOff)
  run.log(`${describe(one.event)}: failed, tried again in ${seconds(wait)}: ${why}`)
  putOff(one, bootClock() + wait)
  forgetHook(one) // after it is put off: killed in between, it has failed once more
}

function describe({ event, partition, check, id }: Event): string {
  return `${event}${partition === null ? '' : ` of ${partition}`}${check === null ? '' : `, check ${check}`} (${id})`
}
