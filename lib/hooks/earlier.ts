/**
 * What another instance has still to tell of a partition that came from there. `telling/<partition>/<token>` is written in
 * the transaction that gives the lock back, and deleted once the hooks were told of it as `released`. The next holder's
 * hooks are told of nothing before that, unless the other one makes no progress any more.
 */
import { bootClock, seconds } from '../base/clock.ts'
import { reason } from '../base/errors.ts'
import { decode, type Keys } from '../base/names.ts'
import { base64, transact, transactionLimit, trees } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'
import type { Run } from '../state/self.ts'
import type { Event } from './event.ts'

/** How often Consul is asked while something is waited for, ms. */
const every = 250
/** After so long without any progress of the other instance nobody waits for it, ms; and without an answer of Consul. */
const patience = 60_000
const patienceWithConsul = 3000
/** The same for an instance that takes part no longer: it may be dead. One that has left may still be telling. */
const patienceWithAbsent = 3000
/** How long Consul may take to forget what was told, ms. */
const forgetLimit = 2000

/** Said when a lock is given back. */
export function stillTelling(keys: Keys, instance: string, partition: string, token: string): Operation {
  return { Verb: 'set', Key: keys.telling(partition, token), Value: base64(JSON.stringify({ instance })) }
}

type Asker = Pick<Run, 'consul' | 'instance' | 'log'>

/** All of it is told. Who cannot say so costs the next holder's hooks some time. */
export async function nothingMoreToTell(run: Asker, keys: Keys, events: readonly Event[]): Promise<void> {
  const told = events.flatMap(({ partition, details: { Token } }) =>
    partition === null || typeof Token !== 'string' ? [] : [keys.telling(partition, Token)],
  )
  await removeSoon(run, told, 'others are not told that all is told')
}

async function removeSoon(run: Asker, keys: readonly string[], otherwise: string): Promise<void> {
  const operations = keys.map((Key): Operation => ({ Verb: 'delete', Key }))
  const all = (async () => {
    for (let from = 0; from < operations.length; from += transactionLimit)
      await transact(run.consul, operations.slice(from, from + transactionLimit))
  })().catch(error => run.log(`hooks: ${otherwise}: ${reason(error)}`))
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>(resolve => {
    timer = setTimeout(resolve, forgetLimit)
  })
  await Promise.race([all, late])
  clearTimeout(timer)
}

/** One key of another instance. */
interface Open {
  readonly key: string
  readonly partition: string
  readonly token: string
  readonly instance: string
}

export class Earlier {
  readonly #run: Asker
  readonly #keys: Keys
  #open: readonly Open[] = []
  /** Instances that take part: their session holds their member key. */
  #present: ReadonlySet<string> = new Set()
  /** When the last look began, in the queue's order; what was acquired later may have come from elsewhere since. */
  #lookedAt = -1
  #nextLook = 0
  /** instance -> what it had to tell, and since when that is so. */
  readonly #progress = new Map<string, { readonly what: string; readonly since: number }>()
  #silentSince: number | null = null
  /** Of instances that take part no longer and told nothing in time. One that takes part removes its own. */
  #abandoned: string[] = []

  constructor(run: Asker, keys: Keys) {
    this.#run = run
    this.#keys = keys
  }

  /** Whether everything that happened to the partition before this acquisition was told; `look` when not. */
  isTold({ partition, details: { Token } }: Event, order: number): boolean {
    if (partition === null || typeof Token !== 'string') return true
    const now = bootClock()
    if (this.#silentSince !== null && now - this.#silentSince > patienceWithConsul) return true
    if (order > this.#lookedAt) return false
    const open = this.#open.filter(one => one.partition === partition && isLower(one.token, Token))
    const stuck = open.filter(({ instance }) => this.#silence(instance, now) > this.#patienceWith(instance))
    for (const { instance } of stuck) {
      const silence = seconds(this.#patienceWith(instance))
      const known = `hook acquired of ${partition}: ${instance} has told nothing for ${silence}`
      this.#run.log(`${known}; what it has still to tell of it comes later, or never`)
    }
    if (stuck.length > 0) this.#open = this.#open.filter(one => !stuck.includes(one))
    this.#abandoned.push(...stuck.flatMap(({ instance, key }) => (this.#present.has(instance) ? [] : [key])))
    return open.length === stuck.length
  }

  #silence(instance: string, now: number): number {
    return now - (this.#progress.get(instance)?.since ?? now)
  }

  #patienceWith(instance: string): number {
    return this.#present.has(instance) ? patience : patienceWithAbsent
  }

  /** The keys of a dead instance stay until whoever waited for it in vain removes them: the next one shall not wait too. */
  async removeAbandoned(): Promise<void> {
    const keys = this.#abandoned.splice(0)
    if (keys.length > 0) await removeSoon(this.#run, keys, 'what a dead instance had still to tell is waited for again')
  }

  /** Asks Consul, but not all the time. */
  async look(): Promise<void> {
    const now = bootClock()
    if (now < this.#nextLook) return
    this.#nextLook = now + every
    const begun = Number(process.hrtime.bigint())
    try {
      const { tellings, members } = this.#keys
      const entries = await trees(this.#run.consul, [tellings, members])
      const below = (prefix: string) => entries.filter(({ key }) => key.startsWith(prefix))
      this.#open = below(tellings).flatMap(({ key, value }) => openFrom(this.#keys, key, value) ?? [])
      this.#present = new Set(
        below(members).flatMap(({ key, session }) => (session ? (decode(key.slice(members.length)) ?? []) : [])),
      )
      this.#open = this.#open.filter(({ instance }) => instance !== this.#run.instance)
      this.#lookedAt = begun
      this.#silentSince = null
    } catch (error) {
      if (this.#silentSince === null)
        this.#run.log(`hooks: cannot ask what others have still to tell: ${reason(error)}`)
      this.#silentSince ??= now
    }
    this.#noteProgress(now)
  }

  #noteProgress(now: number): void {
    for (const [instance, open] of Map.groupBy(this.#open, one => one.instance)) {
      const what = open.map(({ key }) => key).join('\n')
      if (this.#progress.get(instance)?.what !== what) this.#progress.set(instance, { what, since: now })
    }
  }
}

function openFrom(keys: Keys, key: string, value: string | null): Open | null {
  const [id = '', token = ''] = key.slice(keys.tellings.length).split('/')
  const partition = decode(id)
  try {
    const { instance } = JSON.parse(value ?? 'null') as { instance?: unknown }
    return partition === null || typeof instance !== 'string' ? null : { key, partition, token, instance }
  } catch {
    return null // somebody else's: it holds up nobody
  }
}

/** Fencing tokens are whole numbers, and may be large. */
function isLower(a: string, b: string): boolean {
  const whole = /^\d+$/
  return whole.test(a) && whole.test(b) && BigInt(a) < BigInt(b)
}
