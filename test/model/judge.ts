/** The rules that must hold at every moment of a run, whatever faults it has. */

import { fieldsIn } from '../../lib/base/json.ts'
import { decode, type Keys } from '../../lib/base/names.ts'
import type { RawEntry } from '../../lib/consul/kv.ts'
import type { ConsulModel } from './consul.ts'
import type { Host, Process, Run } from './host.ts'
import type { Network } from './network.ts'
import type { Program } from './program.ts'
import type { World } from './world.ts'

/** A lock that is free and unclean, whom it waits for, and until when nobody else may take it. */
interface Lost {
  readonly by: string | null
  readonly since: number
  until: number
}

interface Acquisition {
  readonly id: string
  readonly partition: string
  readonly instance: string
  /** L + G, ms. */
  readonly bound: number
  /** When its lock was lost; null while it is held. */
  lostAt: number | null
  /** Its process may go on while its machine is cut off. */
  readonly keeps: boolean
  /** When another acquisition first had the lock after it; null when none did. */
  takenAt: number | null
}

/** How much later than L + G a process may end because of the clock's steps and the shepherd's reaction time, ms. */
const slack = 60
/** How long what goes on while cut off may do so after its machine is back and another has the lock, ms: a few ticks, and G. */
const rejoinWithin = 15_000
/** How long a process may go on after its machine's thaw, ms. */
const afterThaw = 200

export class Judge {
  readonly #world: World
  readonly #consul: ConsulModel
  readonly #hosts: readonly Host[]
  readonly #keys: Keys
  readonly #acquisitions = new Map<string, Acquisition>()
  /** Partition -> the acquisition that holds its lock. */
  readonly #holders = new Map<string, Acquisition>()
  readonly #tokens = new Map<string, { token: number; acquisition: string }>()
  /** When each machine last could not reach Consul. */
  readonly #away = new Map<Host, number>()
  /** Partition -> the value of its lock as it was before the last change. */
  readonly #free = new Map<string, Lost>()
  /** Every process that ever ran. */
  readonly runs = new Set<Run>()

  constructor(world: World, network: Network, hosts: readonly Host[], keys: Keys) {
    this.#world = world
    this.#consul = network.consul
    this.#hosts = hosts
    this.#keys = keys
    network.consul.onWrite = changed => {
      for (const key of changed) this.#changed(key)
      for (const lost of this.#free.values()) if (!this.#isAwaited(lost.by)) lost.until = lost.since
      network.wake()
    }
    network.onServed = (program, path, body, { status = 200 }) => {
      if (path === '/v1/txn' && status === 200) this.#transaction(program, body)
    }
    world.check = () => this.#look()
  }

  /** Whether another acquisition has had the lock since, be it of the same instance. */
  wasTaken({ acquisition }: Run): boolean {
    return (this.#acquisitions.get(acquisition)?.takenAt ?? null) !== null
  }

  #changed(key: string): void {
    const locked = key.startsWith(this.#keys.locks) ? decode(key.slice(this.#keys.locks.length)) : null
    if (locked !== null) this.#lockChanged(locked, key)
  }

  #lockChanged(partition: string, key: string): void {
    const now = acquisitionIn(this.#consul.keys.get(key))
    const before = this.#holders.get(partition)
    if (before && before.id !== now?.acquisition) {
      before.lostAt = this.#world.now
      this.#holders.delete(partition)
      this.#world.say(`the lock of ${partition} is not ${before.instance}'s any more (${before.id})`)
    }
    this.#freed(partition, key)
    if (!now || before?.id === now.acquisition) return
    this.#mayTake(partition, now)
    const known = this.#acquisitions.get(now.acquisition)
    const { acquisition: id, instance, lease, grace, whenIsolated } = now
    const keeps = whenIsolated === 'keep'
    const acquisition = known ?? { id, partition, instance, bound: lease + grace, lostAt: null, keeps, takenAt: null }
    if (acquisition.keeps && acquisition.takenAt !== null)
      this.#world.forbid(`${instance} takes back ${partition} (${id}), which another has had since`)
    for (const other of this.#acquisitions.values())
      if (other.partition === partition && other !== acquisition) other.takenAt ??= this.#world.now
    acquisition.lostAt = null
    this.#acquisitions.set(id, acquisition)
    this.#holders.set(partition, acquisition)
    this.#world.say(`${instance} ${known ? 'has the lock of' : 'takes the lock of'} ${partition} (${id})`)
  }

  /** In a freeze nobody takes what another lost; and nobody takes early what waits for an instance that is away. */
  #mayTake(partition: string, { instance, acquisition }: HeldValue): void {
    const lost = this.#free.get(partition)
    this.#free.delete(partition)
    if (lost === undefined || lost.by === instance || this.#acquisitions.has(acquisition)) return
    const whose = `${partition}, which ${lost.by ?? 'nobody known'} lost`
    if (this.#isFrozen()) this.#world.forbid(`${instance} takes ${whose}, while the service is frozen`)
    if (this.#world.now < lost.until)
      this.#world.forbid(`${instance} takes ${whose}, ${lost.until - this.#world.now} ms early`)
  }

  #isFrozen(): boolean {
    return fieldsOf(this.#consul.keys.get(this.#keys.freeze)).frozen === true
  }

  #freed(partition: string, key: string): void {
    const raw = this.#consul.keys.get(key)
    const { clean, instance, lease } = fieldsOf(raw)
    if (raw === undefined || raw.Session || clean === true) {
      if (!raw?.Session) this.#free.delete(partition)
      return
    }
    const believable = (raw.LockIndex ?? 0) >= 1 && typeof instance === 'string' && typeof lease === 'number'
    const by = believable ? instance : null
    const known = this.#free.get(partition)
    if (known?.by === by) return
    const since = this.#world.now
    const wait = by === null ? 0 : fieldsOf(this.#consul.keys.get(this.#keys.member(by))).wait
    this.#free.set(partition, { by, since, until: since + (typeof wait === 'number' ? wait : 0) })
  }

  /** Its member key is still there, and it has neither come back nor been drained. */
  #isAwaited(instance: string | null): boolean {
    if (instance === null) return false
    const member = this.#consul.keys.get(this.#keys.member(instance))
    if (member === undefined || member.Session || fieldsOf(member).leaving === true) return false
    const { drained } = fieldsOf(this.#consul.keys.get(this.#keys.settings))
    return !Array.isArray(drained) || !drained.includes(instance)
  }

  #look(): void {
    const running = new Map<string, { host: Host; run: Run }>()
    for (const host of this.#hosts) {
      if (host.cut || !host.agent || host.frozen) this.#away.set(host, this.#world.now)
      if (host.frozen) continue
      const thawed = this.#world.now - host.thawedAt < afterThaw
      for (const process of host.processes.values()) {
        if (process.run === null) continue
        this.#startedRun(process.run)
        if (thawed) continue
        this.#mayRun(host, process, process.run)
        this.#runsAsWritten(host, process, process.run)
        this.#runsAlone(running, host, process.run)
      }
    }
  }

  #startedRun(run: Run): void {
    if (this.runs.has(run)) return
    this.runs.add(run)
    const last = this.#tokens.get(run.partition)
    // The store refuses an old token of what goes on while cut off, and is started again.
    if (this.#keeps(run) && last && last.token >= run.token) return
    if (last && last.acquisition !== run.acquisition && last.token >= run.token) {
      this.#world.forbid(
        `the token of ${run.partition} is ${run.token} (${run.acquisition}) after ${last.token} (${last.acquisition})`,
      )
    }
    if (!last || last.acquisition !== run.acquisition) this.#tokens.set(run.partition, run)
  }

  /** A process must be gone L + G after its lock was lost, and must never run without a lock. */
  #mayRun(host: Host, { kind }: Process, { partition, acquisition: id }: Run): void {
    const acquisition = this.#acquisitions.get(id)
    if (!acquisition) this.#world.forbid(`${host.name} runs ${partition} (${id}), whose lock it never had`)
    if (!acquisition || acquisition.lostAt === null) return
    if (acquisition.keeps) {
      this.#mayGoOn(host, acquisition)
      return
    }
    const late = this.#world.now - acquisition.lostAt - acquisition.bound
    if (late > slack) {
      this.#world.forbid(
        `a ${kind} of ${partition} on ${host.name} (${id}) runs ${late} ms longer than L + G after its lock was lost`,
      )
    }
  }

  #keeps({ acquisition }: Run): boolean {
    return this.#acquisitions.get(acquisition)?.keeps === true
  }

  /** Beside its successor it may only run while its machine is cut off, and shortly afterwards. */
  #mayGoOn(host: Host, { id, partition, takenAt }: Acquisition): void {
    if (takenAt === null) return
    const late = this.#world.now - Math.max(takenAt, this.#away.get(host) ?? 0) - rejoinWithin
    if (late > 0) this.#world.forbid(`${partition} still runs on ${host.name} (${id}), ${late} ms too long`)
  }

  /** As long as its lock is held, that says the version of the process that runs. */
  #runsAsWritten(host: Host, { kind }: Process, { partition, acquisition, version }: Run): void {
    const held = kind === 'worker' && acquisitionIn(this.#consul.keys.get(this.#keys.lock(partition)))
    if (!held || version === undefined || held.acquisition !== acquisition || held.version === version) return
    this.#world.forbid(`${partition} runs in version ${version} on ${host.name}, and its lock says ${held.version}`)
  }

  /** All processes that one shepherd has started count as one. */
  #runsAlone(running: Map<string, { host: Host; run: Run }>, host: Host, run: Run): void {
    const other = running.get(run.partition)
    const mayTwice = other !== undefined && this.#keeps(run) && this.#keeps(other.run)
    if (other && other.run.shepherd !== run.shepherd && !mayTwice) {
      const two = `on ${other.host.name} (${other.run.acquisition}) and on ${host.name} (${run.acquisition})`
      this.#world.forbid(`${run.partition} runs twice: ${two}`)
    }
    running.set(run.partition, { host, run })
  }

  /** A program writes only its own keys, and deletes no lock of a partition in the set. */
  #transaction(program: Program, body: string): void {
    const { spec, partitions, locks, traits, traitsOf, restarts, root } = this.#keys
    const own = [spec, partitions, locks, traits, traitsOf, restarts, `${root}wake/`]
    const instance = program.name.split(' ')[0] as string
    const { member, report, proposal, render } = this.#keys
    own.push('watchbill/.power/', ...[member, report, proposal, render].map(key => key(instance)), this.#keys.events)
    for (const { KV } of JSON.parse(body) as { KV: { Verb: string; Key: string } }[]) {
      const writes = !/^(get|check)/.test(KV.Verb)
      if (writes && !own.some(prefix => KV.Key.startsWith(prefix))) {
        this.#world.forbid(`${program.name} writes ${KV.Key}, which is not its own`)
      }
      if (/^delete/.test(KV.Verb) && KV.Key.startsWith(this.#keys.locks)) this.#lockDeleted(program, KV.Key)
      if (/^delete/.test(KV.Verb) && KV.Key.startsWith(this.#keys.partitions)) this.#removed(program, KV.Key)
    }
  }

  /** Nobody applies a changed definition in these runs: only a number in force removes partitions, and none in a freeze. */
  #removed(program: Program, key: string): void {
    const id = Number(decode(key.slice(this.#keys.partitions.length)) ?? Number.NaN)
    const { by, number } = fieldsOf(this.#consul.keys.get(this.#keys.number))
    const isOver = typeof number === 'number' && (by === 'reset' || id >= number)
    if (!isOver) this.#world.forbid(`${program.name} removes ${key} from the set`)
    if (this.#isFrozen()) this.#world.forbid(`${program.name} removes ${key} from the set of a frozen service`)
  }

  #lockDeleted(program: Program, key: string): void {
    const partition = decode(key.slice(this.#keys.locks.length)) ?? ''
    if (partition === '' || !this.#consul.keys.has(this.#keys.partition(partition))) return
    this.#world.forbid(`${program.name} deletes the lock of ${partition}, which is in the set`)
  }
}

interface HeldValue {
  readonly acquisition: string
  readonly instance: string
  readonly lease: number
  readonly grace: number
  readonly version: string
  readonly whenIsolated?: string
}

/** The fields of a key's value; none when it is missing or garbled. */
function fieldsOf(raw: RawEntry | undefined): Record<string, unknown> {
  return fieldsIn(raw?.Value ? Buffer.from(raw.Value, 'base64').toString() : null)
}

/** The acquisition in a held lock's value; null when the lock is free, or its value is garbled. */
export function acquisitionIn(raw: RawEntry | undefined): HeldValue | null {
  if (!raw?.Session || !raw.Value) return null
  try {
    const value = JSON.parse(Buffer.from(raw.Value, 'base64').toString()) as Partial<HeldValue>
    return typeof value?.acquisition === 'string' ? (value as HeldValue) : null
  } catch {
    return null
  }
}
