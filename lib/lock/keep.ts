/**
 * Keeps a lock: every 2 s it renews the session, and a consistent read proves that the lock is still held. That extends the
 * lease, which counts from before the requests. A lock that is lost while the lease runs is taken back, since nobody else
 * can have held it in between.
 */
import { bootClock } from '../base/clock.ts'
import { reason, Temporary } from '../base/errors.ts'
import type { LockKeys } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { base64, type Entry, transact, trees } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'
import { destroySession, newSession, renewSession, tellToDestroy } from '../consul/session.ts'
import { cleanValue, heldValue, lockFrom } from '../keys/lock.ts'
import { epochOf } from '../keys/settings.ts'
import { type Held, lockSessionName, sessionTtlFor } from './contender.ts'
import { type Order, renewEvery } from './order.ts'

export interface Keeper {
  readonly consul: Consul
  readonly keys: LockKeys
  readonly order: Order
  readonly instance: string
  readonly held: Held
  /** Called at each proof: the lock was held at some time after `begun`, boot-clock ms. */
  readonly onProof: (begun: number) => void
  readonly leaseRuns: () => boolean
  readonly say: (line: string) => void
}

/** Time limit of one request, ms: a lease has time for several tries. */
const proofLimit = 1500
/** Pause after a failed proof, ms. */
const sooner = 500

/** Ends the keeping. An AbortController would do, and takes 0.5 ms when a command has just ended. */
export class Ending {
  isOver = false
  #wake = () => {}

  over(): void {
    this.isOver = true
    this.#wake()
  }

  /** @returns after so many ms, or when it is over */
  pause(ms: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, this.isOver ? 0 : ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

/**
 * Keeps the lock until the ending.
 * @param told called with the reason after each failed proof, with '' after each good one
 * @returns why the lock is lost, or null
 */
export async function keep(keeper: Keeper, ending: Ending, told: (why: string) => void): Promise<string | null> {
  const consul = keeper.consul.another(proofLimit)
  let pause = renewEvery
  try {
    for (;;) {
      await ending.pause(pause)
      if (ending.isOver) return null
      keeper.consul.close() // One connection at a time. A short command's lock is given back on the one that took it.
      const begun = bootClock()
      try {
        const lost = await prove({ ...keeper, consul })
        if (lost !== null) return lost
        keeper.onProof(begun)
        told('')
        pause = Math.max(0, renewEvery - (bootClock() - begun))
      } catch (error) {
        if (ending.isOver) return null
        told(reason(error))
        keeper.say(reason(error))
        pause = sooner
      }
    }
  } finally {
    consul.close()
  }
}

/** @returns why the lock is lost; null when it is held. @throws Temporary when Consul does not answer */
async function prove(keeper: Keeper): Promise<string | null> {
  const { consul, keys, held, say } = keeper
  await renewSession(consul, held.session)
  const key = keys.slot(held.slot)
  const entry = (await trees(consul, [key])).find(entry => entry.key === key) ?? null
  const lock = entry && lockFrom(entry)
  const ours = lock?.held?.acquisition === held.acquisition
  if (lock?.session === held.session) return ours ? null : await rewrite(keeper, entry as Entry)
  if (lock?.session) return lock.held ? `${lock.held.instance} holds it since ${lock.held.since}` : 'another holds it'
  if (lock?.clean || (lock?.held && !ours)) return 'it was given to another meanwhile'
  say('the lock is lost; taking it back')
  return await reclaim(keeper, entry)
}

/** Somebody has overwritten the value: write it again, since contenders read from it how long to wait. */
async function rewrite(keeper: Keeper, { modifyIndex }: Entry): Promise<null> {
  const [check, lock] = lockAgain(keeper, modifyIndex)
  // Unlock in between: otherwise its LockIndex stays 0, and nobody believes the value (seen on 1.8.7).
  await transact(keeper.consul, [check, { ...lock, Verb: 'unlock' }, lock])
  return null
}

/** Takes the lock back after the session was lost or the key deleted. Contenders wait longer than our lease can run. */
async function reclaim(keeper: Keeper, entry: Entry | null): Promise<null> {
  const { consul, keys, order, held, leaseRuns } = keeper
  const before = held.session
  held.session = await newSession(consul, lockSessionName(keys), sessionTtlFor(order.terms.lease))
  const outcome = leaseRuns() ? await transact(consul, lockAgain(keeper, entry?.modifyIndex ?? null)) : null
  await destroySession(consul, { ID: before }) // the old session still lives when only the key was deleted
  if (!outcome?.done) throw new Temporary('the lock was lost, and could not be taken back')
  return null
}

function lockAgain({ keys, order, instance, held }: Keeper, index: number | null): [Operation, Operation] {
  const Key = keys.slot(held.slot)
  const since = new Date().toISOString()
  const value = heldValue({
    instance,
    acquisition: held.acquisition,
    ...order.terms,
    since,
    version: '',
    epoch: epochOf(held.token),
  })
  const check: Operation =
    index === null ? { Verb: 'check-not-exists', Key } : { Verb: 'check-index', Key, Index: index }
  return [check, { Verb: 'lock', Key, Value: base64(value), Session: held.session }]
}

/** Gives the lock back, once every process is gone. @returns whether it was still ours */
export async function giveBack({ consul, keys, held, instance }: Keeper): Promise<boolean> {
  const Value = base64(cleanValue(new Date().toISOString(), instance, null, epochOf(held.token)))
  const outcome = await transact(consul, [{ Verb: 'unlock', Key: keys.slot(held.slot), Session: held.session, Value }])
  await tellToDestroy(consul, held.session)
  return outcome.done
}
