/** Watches the locks on every server, and records when each was first seen to have lost its session. */
import { setTimeout as pause } from 'node:timers/promises'
import { bootClock } from '../../lib/base/clock.ts'
import { Consul } from '../../lib/consul/http.ts'
import type { Agent } from '../lab/cluster.ts'

interface Key {
  readonly Key: string
  readonly Session?: string
}

/** How long a server that does not answer is not asked again, ms. */
const rest = 100
/** How long a server may wait before it answers a blocking query, ms. */
const patience = 5000

export class Witness {
  readonly #prefix: string
  /**
   * `<lock> <session>` -> when a server first showed the lock without that session, boot-clock ms; one time for each
   * loss.
   */
  readonly #lost = new Map<string, number[]>()
  /** `<lock> <session>` pairs that a server showed again since the last loss. */
  readonly #anew = new Set<string>()
  #over = false

  /** @param prefix of the locks' keys */
  constructor(servers: readonly Agent[], prefix: string) {
    this.#prefix = prefix
    for (const server of servers) void this.#watch(server)
  }

  /** partition -> when it lost a session, in order. @param nameOf gives the partition for a key's last segment */
  losses(nameOf: (id: string) => string): Map<string, number[]> {
    const found = new Map<string, number[]>()
    for (const [what, times] of this.#lost) {
      const partition = nameOf(what.split(' ')[0] ?? '')
      found.set(
        partition,
        [...(found.get(partition) ?? []), ...times].sort((a, b) => a - b),
      )
    }
    return found
  }

  /** Forgets all losses so far. */
  clear(): void {
    this.#lost.clear()
    this.#anew.clear()
  }

  close(): void {
    this.#over = true
  }

  async #watch(server: Agent): Promise<void> {
    const consul = new Consul({ env: { CONSUL_HTTP_ADDR: server.control }, limit: patience + 2000 })
    let held = new Map<string, string>()
    let index = '0'
    while (!this.#over) {
      try {
        const path = `/v1/kv/${this.#prefix}?recurse&stale&index=${index}&wait=${patience / 1000}s`
        const answer = await consul.request('GET', path, { ok: [200, 404] })
        const now = sessions(answer.status === 200 ? (JSON.parse(answer.text) as Key[]) : [], this.#prefix)
        this.#compare(held, now)
        held = now
        // A restarted or restored server begins with lower indexes.
        index = Number(answer.index) >= Number(index) ? String(answer.index) : '0'
      } catch {
        index = '0'
        await pause(rest)
      }
    }
    consul.close()
  }

  #compare(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): void {
    const now = bootClock()
    for (const [lock, session] of after) if (before.get(lock) !== session) this.#anew.add(`${lock} ${session}`)
    for (const [lock, session] of before) {
      const what = `${lock} ${session}`
      const times = this.#lost.get(what) ?? []
      // The other servers show the same loss a little later.
      if (after.get(lock) === session || (times.length > 0 && !this.#anew.has(what))) continue
      this.#lost.set(what, [...times, now])
      this.#anew.delete(what)
    }
  }
}

function sessions(keys: readonly Key[], prefix: string): Map<string, string> {
  return new Map(keys.flatMap(({ Key, Session }) => (Session ? [[Key.slice(prefix.length), Session] as const] : [])))
}
