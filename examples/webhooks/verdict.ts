/** Whether each event was delivered, and by one instance: from what the endpoints took and the API refused. */

/** One POST that an endpoint took, in the order in which they came. */
export interface Delivery {
  readonly subscription: string
  /** The number of the event; the first one of a subscription is 1. */
  readonly event: number
  /** The path that it came to. */
  readonly url: string
  readonly instance: string
  readonly pid: number
  readonly token: string
  /** ms */
  readonly at: number
  /** How old the event was, ms. */
  readonly waited: number
  /** The cursor was moved past it. */
  done: boolean
}

export interface Span {
  readonly from: number
  readonly to: number
}

export interface History {
  readonly subscriptions: readonly {
    readonly id: string
    /** How many events it had. */
    readonly produced: number
    /** Since when nobody was to deliver for it any more; null when it was never removed. */
    readonly gone: number | null
  }[]
  readonly deliveries: readonly Delivery[]
  /** The pids that were killed with -9. */
  readonly killed: readonly number[]
  /** Which subscription was to be delivered to which other path from some moment on. */
  readonly changes: readonly { readonly subscription: string; readonly url: string }[]
  /** When the list of subscriptions could not be had. */
  readonly outages: readonly Span[]
  /** POSTs that an endpoint did not take. */
  readonly busy: number
  /** Writes that were refused because of their token. */
  readonly stale: number
  /** How many of these the story made up. */
  readonly replayed: number
}

export interface Verdict {
  /** One sentence for each thing that is wrong. */
  readonly faults: readonly string[]
  readonly subscriptions: number
  readonly removed: number
  readonly instances: number
  /** Events of the subscriptions that are left. */
  readonly produced: number
  /** Different ones among them that were delivered. */
  readonly delivered: number
  /** Events that were delivered once more because they were in flight when their worker was killed. */
  readonly repeated: number
  /** Those of them that two instances delivered. */
  readonly byTwo: number
  readonly busy: number
  readonly stale: number
  /** How old the oldest event was when it was first delivered, and half of them at most, s. */
  readonly slowest: number
  readonly median: number
}

/** Pure. */
export function judge(history: History): Verdict {
  const { subscriptions, deliveries, outages, busy, stale } = history
  const left = subscriptions.filter(({ gone }) => gone === null)
  const by = Map.groupBy(deliveries, ({ subscription }) => subscription)
  const of = (id: string) => by.get(id) ?? []
  const own = subscriptions.flatMap(subscription => {
    const its = of(subscription.id)
    const faults = [
      ...wrongEvents(subscription, its),
      ...wrongOwners(history, its),
      ...wrongRepeats(history, its),
      ...wrongPaths(history, subscription.id, its),
    ]
    return faults.map(fault => `${subscription.id}: ${fault}`)
  })
  const strangers = [...by.keys()].filter(id => subscriptions.every(one => one.id !== id))
  const ages = firsts(left.flatMap(({ id }) => of(id))).map(({ waited }) => waited)
  const events = Map.groupBy(deliveries, ({ subscription, event }) => `${subscription} ${event}`)
  const repeats = [...events.values()].filter(all => all.length > 1)
  ages.sort((a, b) => a - b)
  return {
    faults: [
      ...own,
      ...strangers.map(id => `${id}: was delivered, and is no subscription`),
      ...outages.flatMap(outage => wrongDuring(outage, left, of)),
      ...wrongFence(history),
    ],
    subscriptions: left.length,
    removed: subscriptions.length - left.length,
    instances: new Set(deliveries.map(({ instance }) => instance)).size,
    produced: left.reduce((sum, { produced }) => sum + produced, 0),
    delivered: ages.length,
    repeated: repeats.length,
    byTwo: repeats.filter(all => new Set(all.map(({ instance }) => instance)).size > 1).length,
    busy,
    stale,
    slowest: seconds(ages.at(-1)),
    median: seconds(ages[ages.length >> 1]),
  }
}

/** All of them in order; of one that was removed those up to then, and none later. */
function wrongEvents({ produced, gone }: History['subscriptions'][number], its: readonly Delivery[]): string[] {
  const seen = firsts(its).map(({ event }) => event)
  const missing = produced - seen.length
  const skipped = seen.some((event, i) => event !== i + 1)
  const late = gone === null ? 0 : its.filter(({ at }) => at > gone).length
  return [
    ...(gone === null && missing > 0 ? [`${missing} of ${produced} events were never delivered`] : []),
    ...(missing < 0 ? [`${-missing} events were delivered that never were`] : []),
    ...(skipped ? ['events were skipped, or delivered out of order'] : []),
    ...(late > 0 ? [`${late} events were delivered after it was removed`] : []),
  ]
}

/** One worker after another, each with a higher token; with the same one only where the earlier was killed. */
function wrongOwners({ killed }: History, its: readonly Delivery[]): string[] {
  const faults: string[] = []
  for (const [i, next] of its.entries()) {
    const last = its[i - 1]
    if (!last || sameWorker(last, next)) continue
    const order = Number(BigInt(next.token) - BigInt(last.token))
    const restarted = order === 0 && last.instance === next.instance && killed.includes(last.pid)
    if (order > 0 || restarted) continue
    faults.push(`${nameOf(next)} delivered event ${next.event} after ${nameOf(last)} had delivered ${last.event}`)
  }
  return faults
}

/** Twice only what was in flight when its worker was killed: it was received, and the cursor not moved. */
function wrongRepeats({ killed }: History, its: readonly Delivery[]): string[] {
  return [...Map.groupBy(its, ({ event }) => event)].flatMap(([event, all]) => {
    const excused = all.slice(0, -1).every(({ pid, done }) => killed.includes(pid) && !done)
    return excused ? [] : [`event ${event} was delivered ${all.length} times, by ${all.map(nameOf).join(', ')}`]
  })
}

/** Nothing to the old one any more once there was something for the new one. */
function wrongPaths({ changes }: History, id: string, its: readonly Delivery[]): string[] {
  return changes.flatMap(({ subscription, url }) => {
    if (subscription !== id) return []
    const first = its.findIndex(delivery => delivery.url === url)
    if (first === -1) return [`nothing was delivered to ${url}`]
    const astray = its.slice(first).filter(delivery => delivery.url !== url).length
    return astray > 0 ? [`${astray} events went elsewhere after the change to ${url}`] : []
  })
}

/** Nobody's work stops while the list cannot be had. */
function wrongDuring(
  { from, to }: Span,
  left: History['subscriptions'],
  of: (id: string) => readonly Delivery[],
): string[] {
  return left.flatMap(({ id }) => {
    const meanwhile = of(id).filter(({ at }) => at >= from && at <= to)
    const [first] = meanwhile
    if (!first) return [`${id}: nothing was delivered while the API failed`]
    const moved = meanwhile.some(delivery => !sameWorker(first, delivery))
    return moved ? [`${id}: its worker changed while the API failed`] : []
  })
}

/** Those of the story are refused, and there are no others: no worker goes on with what it has given up. */
function wrongFence({ stale, replayed }: History): string[] {
  return [
    ...(stale < replayed ? [`${replayed - stale} writes with the token of an earlier owner were not refused`] : []),
    ...(stale > replayed ? [`${stale - replayed} writes of workers were refused: two were at work at once`] : []),
  ]
}

/** Each event's first delivery. */
function firsts(deliveries: readonly Delivery[]): Delivery[] {
  const seen = new Set<string>()
  return deliveries.filter(({ subscription, event }) => {
    const known = seen.size
    return seen.add(`${subscription} ${event}`).size > known
  })
}

function sameWorker(a: Delivery, b: Delivery): boolean {
  return a.instance === b.instance && a.pid === b.pid && a.token === b.token
}

function nameOf({ instance, pid, token }: Delivery): string {
  return `${instance} (${pid}, token ${token})`
}

function seconds(ms = 0): number {
  return Math.round(ms) / 1000
}
