/**
 * `watchbill status --watch`: looks again when something has changed. Blocking queries tell that, so that nothing is read
 * while nothing happens; and a look that was dear is not made again soon, so that it all takes little of a processor.
 */

import { reason, Temporary } from '../../base/errors.ts'
import { encode } from '../../base/names.ts'
import { healthPath, keysPath, watch } from '../../consul/changes.ts'
import type { Consul } from '../../consul/http.ts'
import { partitionService } from '../../keys/service-ids.ts'
import type { Status } from './status.ts'

export const pace = {
  /** Between two looks, ms: at least so long, and at least so many times the processor time of the last one. */
  soonest: 200,
  times: 14,
  /** A look is made after so long in any case, ms, and so many times that time: some states end with time alone. */
  latest: 30_000,
  latestTimes: 50,
  /** How long a change stays marked, ms. */
  marked: 5000,
}

export interface Seen {
  readonly status: Status
  /** Partitions that have changed in the last seconds. */
  readonly marked: ReadonlySet<string>
  /** When the look was made, ISO. */
  readonly at: string
  /** Why Consul cannot be asked now; null when it can. */
  readonly away: string | null
}

/**
 * Draws until `draw` returns false. @param look throws Temporary while Consul is away: the last look stays on the screen
 * @param resized is given what to call when there is another reason to draw
 */
export async function watchStatus(
  consul: Consul,
  service: string,
  look: () => Promise<Status>,
  draw: (seen: Seen) => boolean,
  resized: (again: () => void) => void = () => {},
): Promise<void> {
  const news = newsOf(consul, service)
  resized(news.wake)
  const changes = new Changes()
  let seen: Seen | null = null
  try {
    for (;;) {
      const begun = performance.now()
      const before = process.cpuUsage()
      news.read()
      seen = await lookNow(look, seen, changes)
      if (!draw(seen)) return
      const { user, system } = process.cpuUsage(before)
      const cost = (user + system) / 1000
      const soonest = begun + Math.max(pace.soonest, pace.times * cost)
      const latest = begun + Math.max(seen.away === null ? pace.latest : 1000, pace.latestTimes * cost)
      if (!(await drawUntilDue({ news, soonest, latest }, changes, seen, draw))) return
    }
  } finally {
    news.end()
  }
}

/** The first look must succeed: a wrong token or name is said at once. */
async function lookNow(look: () => Promise<Status>, last: Seen | null, changes: Changes): Promise<Seen> {
  try {
    const status = await look()
    changes.note(status, performance.now())
    return { status, marked: changes.marked(performance.now()), at: new Date().toISOString(), away: null }
  } catch (error) {
    if (last === null || !(error instanceof Temporary)) throw error
    return { ...last, away: reason(error) }
  }
}

interface Due {
  readonly news: News
  readonly soonest: number
  readonly latest: number
}

/** Marks end, and the screen may get another size, while there is nothing new to look at. */
async function drawUntilDue(
  { news, soonest, latest }: Due,
  changes: Changes,
  seen: Seen,
  draw: (seen: Seen) => boolean,
): Promise<boolean> {
  let shown = changes.marked(performance.now()).size
  for (;;) {
    const now = performance.now()
    const due = news.changed() ? soonest : latest
    if (now >= due) return true
    await news.next(Math.min(due - now, changes.nextEnd(now)))
    const marked = changes.marked(performance.now())
    if ((marked.size !== shown || news.woken()) && !draw({ ...seen, marked })) return false
    shown = marked.size
  }
}

/** What has changed between looks, and for how long that is marked. */
export class Changes {
  #before: ReadonlyMap<string, string> | null = null
  readonly #until = new Map<string, number>()

  note({ partitions }: Pick<Status, 'partitions'>, now: number): void {
    const after = new Map(partitions.map(one => [one.partition, `${one.instance} ${one.state} ${one.version}`]))
    if (this.#before !== null)
      for (const [id, line] of after) if (this.#before.get(id) !== line) this.#until.set(id, now + pace.marked)
    this.#before = after
  }

  marked(now: number): ReadonlySet<string> {
    for (const [id, until] of this.#until) if (until <= now) this.#until.delete(id)
    return new Set(this.#until.keys())
  }

  /** How many ms until the next mark ends. */
  nextEnd(now: number): number {
    return Math.min(...[...this.#until.values()].map(until => Math.max(1, until - now)), Number.POSITIVE_INFINITY)
  }
}

interface News {
  /** What has changed so far is about to be read. */
  readonly read: () => void
  readonly changed: () => boolean
  /** Whether something else than a change wants the screen drawn; once. */
  readonly woken: () => boolean
  readonly wake: () => void
  /** The next news, or so many ms. */
  readonly next: (ms: number) => Promise<void>
  readonly end: () => void
}

function newsOf(consul: Consul, service: string): News {
  let [changed, woken] = [false, false]
  let tell = () => {}
  const on = () => {
    changed = true
    tell()
  }
  const paths = [
    ...[`watchbill/${encode(service)}/`, `watchbill/.health/${encode(service)}/`].map(keysPath),
    ...[service, partitionService(service)].map(healthPath),
  ]
  // The look itself says that Consul is away: here it only begins anew.
  const stops = paths.map(path => watch(consul, path, { begun: () => {}, changed: on, away: on }))
  return {
    read: () => {
      changed = false
    },
    changed: () => changed,
    woken: () => {
      const was = woken
      woken = false
      return was
    },
    wake: () => {
      woken = true
      tell()
    },
    next: ms =>
      new Promise(resolve => {
        const timer = setTimeout(resolve, Math.min(ms, 60_000))
        tell = () => {
          clearTimeout(timer)
          resolve()
        }
      }),
    end: () => {
      for (const stop of stops) stop()
    },
  }
}
