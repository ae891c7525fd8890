/** What is seen with one token: every look is made once for all who look with it, and counts until something changes. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Consul } from '../consul/http.ts'
import { knownServices } from '../keys/services.ts'
import { usual } from '../operate/status/look.ts'
import { readWhole, type Whole } from '../operate/status/status.ts'
import { mustKnow } from '../program/operator.ts'
import type { AgentFacts, Unknown } from '../setup/doctor/facts.ts'
import { agentFacts } from '../setup/doctor/gather/agent.ts'
import { type Feed, feedOf } from './live/feed.ts'

/** How long a look counts at most, ms: while the feed runs, and while it does not. */
const longest = { live: 10_000, alone: 500 }

interface Known<T> {
  readonly value: Promise<T>
  readonly begun: number
  /** How often things had changed when it began. */
  readonly at: number
}

export class Sight {
  readonly feed: Feed
  readonly #consul: Consul
  readonly #known = new Map<string, Known<unknown>>()
  readonly #changes = new Map<string, number>()
  #changesOfAll = 0
  /** Of the last use, ms on the steady clock. */
  used = performance.now()

  constructor(consul: Consul) {
    this.#consul = consul
    this.feed = feedOf(
      consul,
      () => knownServices(consul),
      service => this.stale(service),
    )
  }

  /** For what is read now, and for changes: not kept. */
  get consul(): Consul {
    return this.#consul
  }

  /** What was read of the service, or of all, no longer counts. */
  stale(service: string | null): void {
    if (service === null) this.#changesOfAll++
    else this.#changes.set(service, (this.#changes.get(service) ?? 0) + 1)
  }

  /** @throws Permanent when there is no such service; Temporary, Denied as `readStatus` */
  whole(service: string): Promise<Whole> {
    return this.kept(`whole ${service}`, service, () => this.#look(service))
  }

  services(): Promise<string[]> {
    return this.kept('services', null, () => knownServices(this.#consul))
  }

  async all(): Promise<Whole[]> {
    const services = await this.services()
    return Promise.all(services.map(service => this.whole(service)))
  }

  /** The agent that is asked. */
  agent(): Promise<AgentFacts | Unknown> {
    return this.kept('agent', null, () => agentFacts(this.#consul))
  }

  /** Reads once for all who ask meanwhile, and until something changes. A failure is not kept. */
  kept<T>(name: string, service: string | null, read: () => Promise<T>): Promise<T> {
    const at = this.#changesOfAll + (service === null ? 0 : (this.#changes.get(service) ?? 0))
    const known = this.#known.get(name) as Known<T> | undefined
    const limit = this.feed.isLive() ? longest.live : longest.alone
    if (known !== undefined && known.at === at && performance.now() - known.begun < limit) return known.value
    const fresh = { value: read(), begun: performance.now(), at }
    this.#known.set(name, fresh)
    fresh.value.catch(() => this.#known.get(name) === fresh && this.#known.delete(name))
    return fresh.value
  }

  /** Like `look` of `status`: one that took long may be older than what the guards have reported since. */
  async #look(service: string): Promise<Whole> {
    const begun = performance.now()
    const whole = await readWhole(this.#consul, service)
    const { status, cluster } = whole
    if (!cluster.defined && status.partitions.length === 0 && status.instances.length === 0)
      await mustKnow(this.#consul, service)
    if (performance.now() - begun < usual.slow || status.partitions.length === 0) return whole
    await delay(usual.settle)
    return readWhole(this.#consul, service)
  }

  close(): void {
    this.feed.close()
    this.#consul.close()
  }
}
