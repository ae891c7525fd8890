/**
 * Delivers events: runs the commands of hooks, each with the event as JSON on stdin, and the built-in reactions. A
 * failed reaction is tried again after growing pauses, and given up after some tries. The hooks of a partition get its
 * events in the order in which they happened, on any instance. No partition waits for another.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { bootClock, seconds } from '../base/clock.ts'
import { reason } from '../base/errors.ts'
import { keysOf } from '../base/names.ts'
import type { BuiltIn } from '../definition/checks.ts'
import type { Definition } from '../definition/definition.ts'
import { writeFact } from '../state/facts.ts'
import type { Run } from '../state/self.ts'
import { Earlier, forgetDelivered } from './earlier.ts'
import { type Event, isBuiltIn, reactionsTo } from './event.ts'
import { ageOf, done, longestPutOff, putOff, type Waiting, waiting } from './queue.ts'
import { forgetHook, type Hook, releasingLimit, startHooks, stateOfHook } from './run-hook.ts'

/** How many hooks run at once, not counting those that a stop waits for. */
const atOnce = 16
/** The pause before the first retry, ms. It doubles with each further retry. */
const firstRetry = 1000
const mostFailures = 8
const poll = 50

export interface How {
  /** Does the built-in reactions; without it they wait for the next delivery. */
  readonly react?: (event: Event, reaction: BuiltIn) => Promise<string>
  /** Delivery ends as soon as this returns false; running hooks go on by themselves. */
  readonly while?: () => boolean
}

/** Works until nothing is due, then writes down when the next try is due. */
export async function deliver(run: Run, definition: Definition, how: How = {}): Promise<void> {
  const delivery = new Delivery(run, definition, how)
  do await delivery.round()
  while (delivery.isBusy && (how.while?.() ?? true) && (await delivery.rest()))
  const due = delivery.isBusy ? 0 : delivery.due
  writeFact(run.files.eventsDue, due === null ? 'none' : String(due))
  // Events kept after the last round were marked as due before the write above replaced that mark.
  if (delivery.hasNews()) writeFact(run.files.eventsDue, '0')
}

/** The event of a partition that its later events wait for. */
interface Front {
  readonly event: string
  /** Its command runs: then no other reaction to the same event starts. */
  readonly runs: boolean
}

class Delivery {
  readonly #run: Run
  readonly #definition: Definition
  readonly #how: How
  readonly #known = new Map<string, Waiting>()
  readonly #earlier: Earlier
  readonly #reacting = new Map<string, Promise<void>>()
  /** The events that block others in this round. */
  #fronts = new Map<string | null, Front>()
  #hooks: Hook[] = []
  #over: { readonly one: Waiting; readonly how: string | null }[] = []
  #running = 0
  #blocked = false
  /** When the next try is due, boot-clock ms; null for never. */
  due: number | null = null

  constructor(run: Run, definition: Definition, how: How) {
    this.#run = run
    this.#definition = definition
    this.#how = how
    this.#earlier = new Earlier(run, keysOf(run.service))
  }

  get isBusy(): boolean {
    return this.#running + this.#hooks.length + this.#over.length + this.#reacting.size > 0 || this.#blocked
  }

  hasNews(): boolean {
    const before = this.#known.size
    return waiting(this.#run.files, this.#known).length > before
  }

  async rest(): Promise<true> {
    await Promise.race([...this.#reacting.values(), delay(poll)])
    return true
  }

  /** Looks once at all waiting reactions: finishes those that have ended, and starts the next. */
  async round(): Promise<void> {
    const all = waiting(this.#run.files, this.#known)
    const urgent = new Set(all.flatMap(one => (isUrgent(one) ? [one.event.partition] : [])))
    this.#fronts = new Map()
    this.#hooks = []
    this.#over = []
    this.#running = 0
    this.#blocked = false
    this.due = null
    for (const one of all) this.#attend(one, urgent)
    await this.#forget()
    await startHooks(this.#run, this.#definition, this.#hooks)
    await this.#earlier.removeAbandoned()
    if (this.#blocked) await this.#earlier.look()
  }

  #attend(one: Waiting, urgent: ReadonlySet<string | null>): void {
    const reaction = reactionsTo(this.#definition, one.event)[one.reaction]
    if (reaction !== undefined && isBuiltIn(reaction)) {
      this.#react(one, reaction)
      return
    }
    const { partition, id } = one.event
    const front = this.#fronts.get(partition)
    if (front !== undefined && (front.runs || front.event !== id)) return
    const state = stateOfHook(one)
    if (state === 'running') {
      this.#running++
      this.#fronts.set(partition, { event: id, runs: true })
    } else if (state !== null) this.#ended(one, state.failure)
    else if (one.notBefore > bootClock()) this.#waits(one)
    else if (one.event.event === 'acquired' && !this.#earlier.isTold(one.event, one.order)) this.#waitsForOthers(one)
    else if (reaction === undefined) this.#over.push({ one, how: isMilestone(one.event) ? null : unwanted })
    else {
      this.#fronts.set(partition, { event: id, runs: true })
      if (this.#running + this.#hooks.length < atOnce || urgent.has(partition))
        this.#hooks.push({ ...one, command: reaction })
    }
  }

  /** Events of the instance are delivered at once. A later event of a partition waits for its earlier ones. */
  #waits(one: Waiting): void {
    const { partition, id } = one.event
    if (partition !== null) this.#fronts.set(partition, { event: id, runs: false })
    this.due = Math.min(this.due ?? one.notBefore, one.notBefore)
  }

  #waitsForOthers({ event: { partition, id } }: Waiting): void {
    this.#blocked = true
    this.due = 0
    this.#fronts.set(partition, { event: id, runs: true })
  }

  #ended(one: Waiting, failure: string | null): void {
    if (failure === null) this.#over.push({ one, how: 'hook done' })
    else if (one.event.event === 'releasing')
      this.#over.push({ one, how: `hook failed: ${failure}` }) // too late now
    else this.#fail(one, failure)
  }

  #fail(one: Waiting, why: string): void {
    const failures = one.failures + 1
    if (failures >= mostFailures) {
      this.#over.push({ one, how: `failed ${failures} times, given up: ${why}` })
      return
    }
    const wait = Math.min(firstRetry * 2 ** one.failures, longestPutOff)
    this.#run.log(`${describe(one.event)}: failed, tried again in ${seconds(wait)}: ${why}`)
    const later = putOff(one, bootClock() + wait)
    this.#known.set(one.directory, later)
    forgetHook(one) // after the retry is written down: if we are killed in between, it counts as failed once more
    this.#waits(later)
  }

  #react(one: Waiting, reaction: BuiltIn): void {
    const { react } = this.#how
    if (one.notBefore > bootClock() || react === undefined) {
      this.due = Math.min(this.due ?? one.notBefore, one.notBefore)
    } else if (!this.#reacting.has(one.directory)) {
      const work = react(one.event, reaction).then(
        how => this.#end(one, how),
        error => this.#failBuiltIn(one, reason(error)),
      )
      this.#reacting.set(
        one.directory,
        work.finally(() => this.#reacting.delete(one.directory)),
      )
    }
  }

  #failBuiltIn(one: Waiting, why: string): void {
    this.#over = []
    this.#fail(one, why)
    for (const { one, how } of this.#over) this.#end(one, how)
  }

  /**
   * Other instances first learn that a partition's events here are delivered: if we are killed in between, they learn
   * it twice.
   */
  async #forget(): Promise<void> {
    const released = this.#over.flatMap(({ one }) => (one.event.event === 'released' ? [one.event] : []))
    if (released.length > 0) await forgetDelivered(this.#run, keysOf(this.#run.service), released)
    for (const { one, how } of this.#over) this.#end(one, how)
  }

  #end(one: Waiting, how: string | null): void {
    if (how !== null) this.#run.log(`${describe(one.event)}: ${how}`)
    done(this.#run.files, one)
    this.#known.delete(one.directory)
  }
}

const unwanted = 'the definition has no reaction to it any more'

/** Kept even without a hook for it: see queue.ts. */
function isMilestone({ event }: Event): boolean {
  return event === 'acquired' || event === 'released'
}

/** A stop waits for it. */
function isUrgent(one: Waiting): boolean {
  return one.event.event === 'releasing' && ageOf(one) < releasingLimit
}

function describe({ event, partition, check, id }: Event): string {
  return `${event}${partition === null ? '' : ` of ${partition}`}${check === null ? '' : `, check ${check}`} (${id})`
}
