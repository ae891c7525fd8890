/** Waits for changes in Consul with blocking queries, each on a connection of its own. */
import { setTimeout as delay } from 'node:timers/promises'
import { reason } from '../base/errors.ts'
import type { Consul } from './http.ts'

/** How long one query waits, s: some agents cut what waits longer than 30 s. */
const wait = 20
/** After a failed query, and between two that answer at once, ms. */
const afterFailure = 1000
const pace = 100

export interface Told {
  /** It has answered for the first time. */
  readonly begun: () => void
  /** Something may have changed. */
  readonly changed: () => void
  /** Consul does not answer, in words; null when it answers again. */
  readonly away: (why: string | null) => void
}

/** @param path with a query, to which the index is added @returns stops it */
export function watch(consul: Consul, path: string, { begun, changed, away }: Told): () => void {
  const own = consul.another((wait + 10) * 1000)
  let stopped = false
  const run = async () => {
    let index = '0'
    for (let isAway = false; !stopped; ) {
      try {
        const answer = await own.request('GET', `${path}&index=${index}&wait=${wait}s`, { ok: [200, 404], large: true })
        if (stopped) return
        if (answer.index === null) throw new Error('the answer is not Consul’s')
        if (isAway) away(null)
        // After a failure something may have changed; an index that went back begins anew.
        if (index === '0' && !isAway) begun()
        else if (answer.index !== index) changed()
        isAway = false
        index = isLower(answer.index, index) ? '0' : answer.index
        await delay(pace, undefined, { ref: false })
      } catch (error) {
        if (stopped) return
        if (!isAway) away(reason(error))
        isAway = true
        index = '0'
        await delay(afterFailure, undefined, { ref: false })
      }
    }
  }
  void run()
  return () => {
    stopped = true
    own.close()
  }
}

/** Consul's documentation: begin anew when the index goes back, and with one below 1. */
function isLower(now: string, before: string): boolean {
  return BigInt(/^\d+$/.test(now) ? now : '0') < BigInt(before) || !/^[1-9]\d*$/.test(now)
}

/** What a change of the keys below a folder shows in: its answer is a line for each folder in it. */
export function keysPath(folder: string): string {
  return `/v1/kv/${folder}?keys&separator=/`
}

/** What a change of a service's registrations and checks shows in: of however many there are, the answer names none. */
export function healthPath(service: string): string {
  return `/v1/health/service/${encodeURIComponent(service)}?stale&filter=${encodeURIComponent('Service.ID == ""')}`
}
