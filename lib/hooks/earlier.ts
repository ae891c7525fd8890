/**
 * Events that another instance must still deliver for a partition that came from there. `telling/<partition>/<token>`
 * is written in the transaction that gives the lock back, and deleted once the hooks there got `released`. The hooks of
 * the next holder get no event of the partition before that, unless the other instance makes no progress any more.
 */
import { bootClock, seconds } from '../base/clock.ts'
import { reason } from '../base/errors.ts'
import { decode, type Keys } from '../base/names.ts'
import { base64, transact, transactionLimit, trees } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'
import type { Run } from '../state/self.ts'
import type { Event } from './event.ts'

/** How often Consul is asked during a wait, ms. */
const every = 250
/** How long to wait for another instance without any progress of it, and (below) without an answer from Consul, ms. */
const patience = 60_000
const patienceWithConsul = 3000
/** The same for an instance that is no member any more: it may be dead. One that has left may still be delivering. */
const patienceWithAbsent = 3000
/** How long deleting the keys of delivered events may take, ms. */
const forgetLimit = 2000

/** Added to the transaction that gives a lock back. */
export function stillTelling(keys: Keys, instance: string, partition: string, token: string): Operation {
  return { Verb: 'set', Key: keys.telling(partition, token), Value: base64(JSON.stringify({ instance })) }
}

type Asker = Pick<Run, 'consul' | 'instance' | 'log'>

/** All events are delivered. When the keys cannot be deleted, the next holder's hooks wait some time in vain. */
export async function forgetDelivered(run: Asker, keys: Keys, events: readonly Event[]): Promise<void> {
  const told = events.flatMap(({ partition, details: { Token } }) =>
    partition === null || typeof Token !== 'string' ? [] : [keys.telling(partition, Token)],
  )
  await removeSoon(run, told, 'others cannot be told that all events are delivered')
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

/** One such key of another instance. */
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
  /** The members: instances whose session holds their member key. */
  #present: ReadonlySet<string> = new Set()
  /**
   * When the last look began, in the queue's order. A partition acquired later may come from another instance since.
   */
  #lookedAt = -1
  #nextLook = 0
  /** instance -> its open events, and since when they are unchanged. */
  readonly #progress = new Map<string, { readonly what: string; readonly since: number }>()
  #silentSince: number | null = null
  /** The keys of instances that are no members and delivered nothing in time. Members remove their own keys. */
  #abandoned: string[] = []

  constructor(run: Asker, keys: Keys) {
    this.#run = run
    this.#keys = keys
  }

  /** Whether all events of the partition before this acquisition are delivered; `look` when Consul must be asked. */
  isTold({ partition, details: { Token } }: Event, order: number): boolean {
    if (partition === null || typeof Token !== 'string') return true
    const now = bootClock()
    if (this.#silentSince !== null && now - this.#silentSince > patienceWithConsul) return true
    if (order > this.#lookedAt) return false
    const open = this.#open.filter(one => one.partition === partition && isLower(one.token, Token))
    const stuck = open.filter(({ instance }) => this.#silence(instance, now) > this.#patienceWith(instance))
    for (const { instance } of stuck) {
      const silence = seconds(this.#patienceWith(instance))
      const known = `hook acquired of ${partition}: ${instance} has delivered no event for ${silence}`
      this.#run.log(`${known}; its earlier events come later, or never`)
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

  /**
   * The keys of a dead instance stay until an instance that waited in vain removes them, so that the next one need not
   * wait.
   */
  async removeAbandoned(): Promise<void> {
    const keys = this.#abandoned.splice(0)
    if (keys.length > 0) await removeSoon(this.#run, keys, 'the events of a dead instance are waited for again')
  }

  /** Asks Consul, at most once every `every` ms. */
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
        this.#run.log(`hooks: cannot ask which events other instances must still deliver: ${reason(error)}`)
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
    return null // a foreign key: it blocks no event
  }
}

/** Fencing tokens are whole numbers, and may be large. */
function isLower(a: string, b: string): boolean {
  const whole = /^\d+$/
  return whole.test(a) && whole.test(b) && BigInt(a) < BigInt(b)
}
