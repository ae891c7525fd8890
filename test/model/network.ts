/** Between the programs and Consul: how long a request takes, what gets lost, and what comes back instead. */
import { type ConsulModel, type Reply, requestOf } from './consul.ts'
import type { Host } from './host.ts'
import type { Program } from './program.ts'
import type { World } from './world.ts'

export interface Answer {
  readonly status: number
  readonly text: string
  readonly index: string | null
}

/** What becomes of one request. */
export interface Fate {
  /** Kept back by the servers for so long, as through an election: whoever sent it may be gone by then. */
  readonly heldBack?: number
  /** ms that the answer takes; it never comes when it is null. */
  readonly answerAfter?: number | null
  /** Told when Consul has answered. */
  readonly onServed?: () => void
  /** Consul never sees it; this comes back instead. */
  readonly instead?: Reply
}

const networks = new WeakMap<World, Network>()

export function networkOf(world: World): Network {
  return networks.get(world) as Network
}

export class Network {
  readonly #world: World
  readonly consul: ConsulModel
  /** Asked for each request. */
  fate: (program: Program, path: string) => Fate = () => ({})
  /** Told of each request that Consul has answered. */
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
    // Not the program's own any more: it arrives whatever becomes of whoever sent it.
    else this.#world.after((fate.heldBack ?? 0) + this.#latency(host), null, arrive)
  }

  /** Something has changed: those who wait look again. */
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

  /** Mostly a few ms; now and then as long as a busy machine takes. */
  #latency(host: Host): number {
    const slow = this.#world.random(`slow network of ${host.name}`) < 0.05
    return this.#world.between(`network of ${host.name}`, 1, slow ? 450 : 8)
  }
}
