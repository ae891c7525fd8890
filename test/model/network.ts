/** The network between the programs and Consul: latency, lost messages, and false answers. */
import { type ConsulModel, type Reply, requestOf } from './consul.ts'
import type { Host } from './host.ts'
import type { Program } from './program.ts'
import type { World } from './world.ts'

export interface Answer {
  readonly status: number
  readonly text: string
  readonly index: string | null
}

/** What happens to one request. */
export interface Fate {
  /** How long the servers hold it back, as through an election, ms. The sender may be gone by then. */
  readonly heldBack?: number
  /** How long the answer takes, ms; null: it never arrives. */
  readonly answerAfter?: number | null
  /** Called when Consul has answered. */
  readonly onServed?: () => void
  /** Consul never gets the request; this reply comes instead. */
  readonly instead?: Reply
}

const networks = new WeakMap<World, Network>()

export function networkOf(world: World): Network {
  return networks.get(world) as Network
}

export class Network {
  readonly #world: World
  readonly consul: ConsulModel
  /** Called for each request. */
  fate: (program: Program, path: string) => Fate = () => ({})
  /** Called for each request that Consul has answered. */
  onServed: (program: Program, path: string, body: string, reply: Reply) => void = () => {}
  readonly #waiting = new Set<() => void>()

  constructor(world: World, consul: ConsulModel) {
    this.#world = world
    this.consul = consul
    networks.set(world, this)
  }

  send(program: Program, method: string, path: string, body: string, back: (answer: Answer | Error) => void): void {
    const { host } = program
    if (host.agent) this.#send(program, method, path, body, back)
    else this.#world.after(1, program, () => back(new Error('connect ECONNREFUSED')))
  }

  #send(program: Program, method: string, path: string, body: string, back: (answer: Answer) => void): void {
    const { host } = program
    const fate = this.fate(program, path)
    const answered = (reply: Reply) => {
      fate.onServed?.()
      if (fate.answerAfter === null) return
      this.#world.after(fate.answerAfter ?? this.#latency(host), program, () => {
        if (!host.cut && host.agent) back(this.#answer(reply))
      })
    }
    const arrive = () => {
      if (!host.cut || fate.heldBack !== undefined) this.#serve(program, method, path, body, answered)
    }
    if (fate.instead) answered(fate.instead)
    // The request does not depend on its sender any more: it arrives even when the sender is gone.
    else this.#world.after((fate.heldBack ?? 0) + this.#latency(host), null, arrive)
  }

  /** Something has changed: blocked queries are checked again. */
  wake(): void {
    for (const look of [...this.#waiting]) look()
  }

  #serve(program: Program, method: string, path: string, body: string, answered: (reply: Reply) => void): void {
    const request = requestOf(method, path, body, program.host.name)
    const end = this.#world.now + this.consul.blocksFor(request)
    const look = () => {
      if (this.#world.now < end && this.consul.blocksFor(request) > 0) return
      this.#waiting.delete(look)
      const reply = this.consul.answer(request)
      this.onServed(program, path, body, reply)
      answered(reply)
    }
    look()
    if (this.#world.now >= end) return
    this.#waiting.add(look)
    this.#world.after(end - this.#world.now, null, () => this.#waiting.has(look) && look())
  }

  #answer({ status = 200, text = '', index }: Reply): Answer {
    return {
      status,
      text: typeof text === 'string' ? text : JSON.stringify(text),
      index: index === null ? null : String(index ?? this.consul.index),
    }
  }

  /** Mostly a few ms; sometimes as long as on a busy machine. */
  #latency(host: Host): number {
    const slow = this.#world.random(`slow network of ${host.name}`) < 0.05
    return this.#world.between(`network of ${host.name}`, 1, slow ? 450 : 8)
  }
}
