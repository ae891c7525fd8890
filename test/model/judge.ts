/** The rules that must hold at every moment of a run, whatever faults it has. */

import { decode, type Keys } from '../../lib/base/names.ts'
import type { RawEntry } from '../../lib/consul/kv.ts'
import type { ConsulModel } from './consul.ts'
import type { Host, Process, Run } from './host.ts'
import type { Network } from './network.ts'
import type { Program } from './program.ts'
import type { World } from './world.ts'

interface Acquisition {
  readonly id: string
  readonly partition: string
  readonly instance: string
  /** L + G, ms. */
  readonly bound: number
  /** When its lock was lost; null while it is held. */
  lostAt: number | null
}

/** How much later than L + G a process may end because of the clock's steps and the shepherd's reaction time, ms. */
const slack = 60
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
  /** Every process that ever ran. */
  readonly runs = new Set<Run>()

  constructor(world: World, network: Network, hosts: readonly Host[], keys: Keys) {
    this.#world = world
    this.#consul = network.consul
    this.#hosts = hosts
    this.#keys = keys
    network.consul.onWrite = changed => {
      for (const key of changed) this.#changed(key)
      network.wake()
    }
    network.onServed = (program, path, body, { status = 200 }) => {
      if (path === '/v1/txn' && status === 200) this.#transaction(program, body)
    }
    world.check = () => this.#look()
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
    if (!now || before?.id === now.acquisition) return
    const known = this.#acquisitions.get(now.acquisition)
    const { acquisition: id, instance, lease, grace } = now
    const acquisition = known ?? { id, partition, instance, bound: lease + grace, lostAt: null }
    acquisition.lostAt = null
    this.#acquisitions.set(id, acquisition)
    this.#holders.set(partition, acquisition)
    this.#world.say(`${instance} ${known ? 'has the lock of' : 'takes the lock of'} ${partition} (${id})`)
  }

  #look(): void {
    const running = new Map<string, { host: Host; run: Run }>()
    for (const host of this.#hosts) {
      if (host.frozen) continue
      const thawed = this.#world.now - host.thawedAt < afterThaw
      for (const process of host.processes.values()) {
        if (process.run === null) continue
        this.#startedRun(process.run)
        if (thawed) continue
        this.#mayRun(host, process, process.run)
        this.#runsAlone(running, host, process.run)
      }
    }
  }

  #startedRun(run: Run): void {
    if (this.runs.has(run)) return
    this.runs.add(run)
    const last = this.#tokens.get(run.partition)
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
    const late = this.#world.now - acquisition.lostAt - acquisition.bound
    if (late > slack) {
      this.#world.forbid(
        `a ${kind} of ${partition} on ${host.name} (${id}) runs ${late} ms longer than L + G after its lock was lost`,
      )
    }
  }

  /** All processes that one shepherd has started count as one. */
  #runsAlone(running: Map<string, { host: Host; run: Run }>, host: Host, run: Run): void {
    const other = running.get(run.partition)
    if (other && other.run.shepherd !== run.shepherd) {
      const two = `on ${other.host.name} (${other.run.acquisition}) and on ${host.name} (${run.acquisition})`
      this.#world.forbid(`${run.partition} runs twice: ${two}`)
    }
    running.set(run.partition, { host, run })
  }

  /** A program writes only its own keys, and deletes no lock of a partition in the set. */
  #transaction(program: Program, body: string): void {
    const { spec, partitions, locks, traits, traitsOf, root } = this.#keys
    const own = [spec, partitions, locks, traits, traitsOf, `${root}wake/`]
    const instance = program.name.split(' ')[0] as string
    own.push(this.#keys.member(instance), this.#keys.report(instance), this.#keys.proposal(instance))
    for (const { KV } of JSON.parse(body) as { KV: { Verb: string; Key: string } }[]) {
      const writes = !/^(get|check)/.test(KV.Verb)
      if (writes && !own.some(prefix => KV.Key.startsWith(prefix))) {
        this.#world.forbid(`${program.name} writes ${KV.Key}, which is not its own`)
      }
      if (/^delete/.test(KV.Verb) && KV.Key.startsWith(this.#keys.locks)) this.#lockDeleted(program, KV.Key)
      // Nobody applies a changed definition in these runs.
      if (/^delete/.test(KV.Verb) && KV.Key.startsWith(this.#keys.partitions))
        this.#world.forbid(`${program.name} removes ${KV.Key} from the set`)
    }
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
