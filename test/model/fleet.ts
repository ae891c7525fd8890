/** A whole cluster in one run: machines, Consul, and an instance on each. */
import { decode, keysOf } from '../../lib/base/names.ts'
import { entryOf } from '../../lib/consul/entry.ts'
import { countFrom } from '../../lib/keys/count.ts'
import { planPointerFrom } from '../../lib/keys/own-plan.ts'
import { ConsulModel } from './consul.ts'
import { Host, type Run } from './host.ts'
import { acquisitionIn, Judge } from './judge.ts'
import type { Lib } from './load.ts'
import { type Fate, Network } from './network.ts'
import { type Calm, Participant, type Per, type Terms } from './participant.ts'
import { World } from './world.ts'

export interface FleetOptions {
  readonly seed: number
  readonly hosts: number
  readonly partitions: readonly string[]
  readonly terms: Terms
  readonly per: Per
  /** What every definition says of calm, such as `wait`. */
  readonly calm?: Calm
}

export const keys = keysOf('svc')

/** How long a cluster without faults may take until each partition has exactly one owner, ms. */
const settleWithin = 100_000

export class Fleet {
  readonly world: World
  readonly consul = new ConsulModel()
  readonly network: Network
  readonly hosts: Host[] = []
  readonly participants: Participant[] = []
  readonly judge: Judge
  readonly options: FleetOptions
  /** What happens to requests of a host. Each entry applies once, to the first request that fits. */
  readonly fates: {
    readonly host: Host
    readonly fits: (path: string) => boolean
    readonly fate: Fate
  }[] = []
  readonly #renewed = new Map<string, number>()

  constructor(lib: Lib, options: FleetOptions) {
    this.options = options
    this.world = new World(options.seed)
    this.network = new Network(this.world, this.consul)
    let sessions = 0
    this.consul.nextId = () => `session-${++sessions}`
    this.consul.onAlive = id => this.#renewed.set(id, this.world.now)
    for (let n = 0; n < options.hosts; n++) {
      const host = new Host('abcdefgh'[n] as string, this.world)
      // The one process for all partitions would leave the most behind.
      if (options.per === 'instance') host.deathSignal = this.world.random(`setpriv on ${host.name}`) < 0.5
      this.hosts.push(host)
      const participant = new Participant(host, lib, this.consul, options.terms, options.per, options.calm)
      participant.define(options.partitions)
      this.participants.push(participant)
    }
    this.judge = new Judge(this.world, this.network, this.hosts, keys)
    this.network.fate = (program, path) => this.#fateOf(program.host, path)
    this.#spread()
    this.#expire()
  }

  async run(ms: number): Promise<void> {
    await this.world.run(ms)
  }

  /** Absent instances join; waits until each partition has exactly one owner. @throws Violation */
  async settle(within = settleWithin): Promise<void> {
    const end = this.world.now + within
    for (;;) {
      for (const participant of this.participants) if (!participant.present) participant.register()
      await this.run(1000)
      const problem = this.unsettled()
      if (problem === null) return
      if (this.world.now >= end) this.world.forbid(`not settled after ${within / 1000} s without a fault: ${problem}`)
    }
  }

  /** The running processes, by partition. */
  running(): Map<string, { host: Host; run: Run }[]> {
    const found = new Map<string, { host: Host; run: Run }[]>()
    for (const host of this.hosts) {
      for (const { kind, run } of host.processes.values()) {
        if (kind === 'worker' && run) found.set(run.partition, [...(found.get(run.partition) ?? []), { host, run }])
      }
    }
    return found
  }

  partitions(): string[] {
    return this.consul.below(keys.partitions).flatMap(({ Key }) => decode(Key.slice(keys.partitions.length)) ?? [])
  }

  /** Why the cluster is not as it should be without faults; null when it is. */
  unsettled(): string | null {
    const running = this.running()
    const members = this.participants.filter(({ present }) => present)
    const partitions = this.partitions()
    if (!this.consul.keys.has(keys.revision)) return 'there is no partition set'
    const loads = new Map(members.map(({ host }) => [host, 0]))
    for (const partition of partitions) {
      const [owner, ...others] = running.get(partition) ?? []
      if (!owner || others.length > 0) return `${partition} has ${running.get(partition)?.length ?? 0} processes`
      const holder = acquisitionIn(this.consul.keys.get(keys.lock(partition)))
      if (holder?.acquisition !== owner.run.acquisition) return `${partition} runs without its lock`
      loads.set(owner.host, (loads.get(owner.host) ?? 0) + 1)
    }
    const counts = [...loads.values()]
    const plan = this.consul.keys.get(keys.plan)
    // Only a plan in force may share out otherwise: one that cannot be read is withdrawn by now.
    const isPlanned = plan !== undefined && planPointerFrom(entryOf(plan))?.withdrawn === null
    if (!isPlanned && Math.max(...counts) - Math.min(...counts) > 1) return `the loads are ${counts.join(', ')}`
    const raw = this.consul.keys.get(keys.number)
    const count = raw ? countFrom(entryOf(raw)) : null
    if (count !== null && count.by !== 'garbled' && !count.done) return 'the set is behind its number'
    const spare = [...running.keys()].find(partition => !partitions.includes(partition))
    return spare === undefined ? null : `${spare} runs, and is not in the set`
  }

  #fateOf(host: Host, path: string): Fate {
    const at = this.fates.findIndex(one => one.host === host && one.fits(path))
    return at < 0 ? {} : (this.fates.splice(at, 1)[0]?.fate ?? {})
  }

  /** Fires watches: every instance watches spec/ and the others' health, and its own wake key. */
  #spread(): void {
    const judged = this.consul.onWrite
    this.consul.onWrite = changed => {
      judged(changed)
      for (const participant of this.participants) {
        const prefixes = [keys.spec, keys.wake(participant.name)]
        if (changed.some(key => prefixes.some(prefix => key.startsWith(prefix)))) participant.event()
      }
    }
  }

  /** Ends sessions that are not renewed, between one and two times their TTL. */
  #expire(): void {
    for (const id of [...this.consul.sessions.keys()]) {
      const late = this.world.now - (this.#renewed.get(id) ?? this.world.now)
      if (late > 30_000 + this.world.random('expiry') * 30_000) this.consul.destroy(id)
    }
    this.world.after(5000, null, () => this.#expire())
  }

  /** The agent of a host becomes unreachable or reachable: gossip notices it after a while, and all are told. */
  gossip(host: Host): void {
    const away = host.cut || !host.agent || host.frozen
    const delay = away ? this.world.between('gossip', 4000, 6500) : this.world.between('gossip', 100, 1600)
    this.world.after(delay, null, () => {
      if ((host.cut || !host.agent || host.frozen) !== away) return
      this.consul.setSerf(host.name, away ? 'critical' : 'passing')
      if (away) this.world.say(`Consul takes ${host.name} for failed`)
      for (const participant of this.participants) {
        if (participant.host === host) participant.report()
        participant.event(participant.host === host ? 5000 : 100)
      }
    })
  }
}
