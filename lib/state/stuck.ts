/**
 * Ends handlers that hold a lock of the instance and will not release it: a stopped one (SIGSTOP, a suspended job), and
 * one that is still there after its own deadline. While they hold the lock no other handler works, and nothing else
 * shows why. The guard ends them. What they leave half done the next look finds and completes.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { bootClock, seconds } from '../base/clock.ts'
import { reason } from '../base/errors.ts'
import { isAlive, isStopped, type Process, parseProcess, programOf, signal } from '../machine/identity.ts'
import { readFact } from './facts.ts'
import { locksOf } from './handler-mark.ts'
import { type Holder, holderOf, takeFrom } from './lock-directory.ts'
import type { InstanceFiles } from './paths.ts'

/**
 * A traced process is stopped for moments: it counts as stopped only when it is stopped at every one of these looks.
 */
const looks = 8
const between = 25
/** How long a program may take to end itself after its deadline, ms: timers are late on a busy machine. */
const slack = 5000
/** How long to wait for a killed handler, ms. One that is stuck in the kernel never runs again. */
const patience = 200

export interface Outcome {
  /** Some were ended: their work is still to be done. */
  readonly ended: boolean
  /** One clause per handler. */
  readonly said: readonly string[]
}

/** Ends stuck handlers, once each. One that may not be ended is only reported. */
export async function endStuck(files: InstanceFiles): Promise<Outcome> {
  const said: string[] = []
  let ended = false
  for (const [lock, holder] of holdersOf(files)) {
    const why = await whyStuck(holder)
    if (why === null || !isAlive(holder)) continue
    const who = `${holder.program} (pid ${holder.pid})`
    if (programOf(holder) === null) {
      // The lock's name is from before the clock restarted, and this process has the same pid and start time by chance.
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

/** The holders, each with its lock. A running `leave` keeps all handlers away, with or without a lock. */
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
