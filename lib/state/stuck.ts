/**
 * Handlers that hold a lock of the instance and will not let go: one that is stopped (SIGSTOP, a job that somebody
 * suspended), and one that is still there after its own deadline. While they hold it no other handler does anything, and
 * nothing else shows that. The guard ends them; they leave nothing half done that the next look does not find.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { bootClock, seconds } from '../base/clock.ts'
import { reason } from '../base/errors.ts'
import { isAlive, isStopped, type Process, parseProcess, programOf, signal } from '../machine/identity.ts'
import { readFact } from './facts.ts'
import { locksOf } from './handler-mark.ts'
import { type Holder, holderOf, takeFrom } from './lock-directory.ts'
import type { InstanceFiles } from './paths.ts'

/** One that is traced is stopped for a moment at a time: it counts as stopped when it is so each time it is looked at. */
const looks = 8
const between = 25
/** What a program may take to end itself after its deadline, ms: its timer is late on a busy machine. */
const slack = 5000
/** How long a killed one is waited for, ms. One that is stuck in the kernel never runs on. */
const patience = 200

export interface Outcome {
  /** Some were ended: whatever they were to do is still to be done. */
  readonly ended: boolean
  /** One clause each. */
  readonly said: readonly string[]
}

/** Ends those that are stuck, once each. What may not be ended is only told of. */
export async function endStuck(files: InstanceFiles): Promise<Outcome> {
  const said: string[] = []
  let ended = false
  for (const [lock, holder] of holdersOf(files)) {
    const why = await whyStuck(holder)
    if (why === null || !isAlive(holder)) continue
    const who = `${holder.program} (pid ${holder.pid})`
    if (programOf(holder) === null) {
      // By chance it has the pid and the start time of one that wrote its name before the clock began anew.
      if (lock !== null) takeFrom(lock, holder)
      continue
    }
    try {
      if (!signal(holder, 'SIGKILL')) continue
      for (let waited = 0; waited < patience && isAlive(holder); waited += between) await delay(between)
      if (lock !== null && isAlive(holder)) takeFrom(lock, holder)
      ended = true
      said.push(`ended ${who}, which ${why}`)
    } catch (error) {
      said.push(`cannot end ${who}, which ${why}: ${reason(error)}; end it by hand`)
    }
  }
  return { ended, said }
}

/** With the lock that each holds. Who is leaving keeps all handlers off, with and without a lock. */
function holdersOf(files: InstanceFiles): (readonly [lock: string | null, holder: Holder])[] {
  const holders = locksOf(files).flatMap(lock => {
    const holder = holderOf(lock)
    return holder === null || holder.pid === process.pid ? [] : [[lock, holder] as const]
  })
  const leaver = leaverOf(files)
  const isKnown = holders.some(([, { pid }]) => pid === leaver?.pid)
  return leaver === null || isKnown ? holders : [...holders, [null, { ...leaver, program: 'leave', until: null }]]
}

function leaverOf({ left }: InstanceFiles): Process | null {
  const [, text = null] = /^leaving (.+)$/.exec(readFact(left) ?? '') ?? []
  const leaver = parseProcess(text)
  return leaver !== null && isAlive(leaver) && programOf(leaver) === 'leave' ? leaver : null
}

async function whyStuck(holder: Holder): Promise<string | null> {
  const late = holder.until === null ? 0 : bootClock() - holder.until
  if (late > slack) return `had not ended ${seconds(late)} after its deadline`
  for (let look = 0; look < looks; look++) {
    if (!isStopped(holder)) return null
    await delay(between)
  }
  return 'was stopped'
}
