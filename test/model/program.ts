/**
 * A run of one of watchbill's programs on a virtual machine. When lib asks for a file, the time or a process, it knows
 * who asks.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { failure } from './files.ts'
import type { Host, Process } from './host.ts'
import type { Owner } from './world.ts'

/**
 * The fault of a program at one of its effects. An effect is a write, request, signal or start, which others can see. A
 * disk fault lasts from then on. A stopped program still gets as far as it can without waiting.
 */
export type Fault = { readonly kind: 'killed' | 'stopped' | 'disk full' | 'disk read-only'; readonly at: number }

/** Thrown at the place where a program was killed: nothing that it does afterwards has an effect. */
class Killed extends Error {
  override name = 'Killed'
}

export class Program implements Owner {
  readonly host: Host
  /** `<node>:<service id> <program>` */
  readonly name: string
  /** The only directory that it may change. */
  readonly home: string
  readonly process: Process
  readonly began: number
  #effects = 0
  readonly #fault: Fault | null
  #onKilled: () => void = () => {}

  constructor(host: Host, name: string, home: string, fault: Fault | null) {
    this.host = host
    this.name = name
    this.home = home
    this.#fault = fault
    this.began = host.world.now
    const stop = () => this.#onKilled()
    this.process = host.start('program', { leads: false, onSignal: stop, onEnd: stop })
  }

  get alive(): boolean {
    return this.host.processes.get(this.process.pid) === this.process
  }

  get stopped(): boolean {
    return this.process.stopped
  }

  /** Runs it to the end. @returns null when it was killed */
  async run<T>(work: () => Promise<T>): Promise<{ value: T } | { error: unknown } | null> {
    const killed = new Promise<null>(resolve => {
      this.#onKilled = () => resolve(null)
    })
    const outcome = programs.run(this, () =>
      work().then(
        value => ({ value }),
        (error: unknown) => ({ error }),
      ),
    )
    const ended = await Promise.race([outcome, killed])
    const wasKilled = !this.alive
    this.host.end(this.process.pid)
    return wasKilled ? null : ended
  }

  /** Call it before each effect. @throws Killed, or the error of a failing disk */
  effect(what: string, kind: 'takes room' | 'on disk' | 'elsewhere' = 'elsewhere'): void {
    this.mustLive()
    const due = this.#fault !== null && ++this.#effects >= this.#fault.at
    if (due && this.#fault?.kind === 'stopped') {
      if (this.#effects === this.#fault.at) this.#stop(what)
      return
    }
    const fault = due && this.#fault ? this.#fault.kind : this.host.disk
    if (fault === null) return
    if (fault !== 'killed' && kind !== 'takes room' && !(fault === 'disk read-only' && kind === 'on disk')) return
    this.host.world.say(`${this.name}: ${fault} at its effect ${this.#effects}: ${what}`)
    if (fault !== 'killed') throw failure(fault === 'disk full' ? 'ENOSPC' : 'EROFS', what)
    this.host.end(this.process.pid)
    throw new Killed(what)
  }

  #stop(what: string): void {
    this.host.world.say(`${this.name}: stopped at its effect ${this.#effects}: ${what}`)
    this.process.stopped = true
  }

  mustLive(): void {
    if (!this.alive) throw new Killed(this.name)
  }
}

const programs = new AsyncLocalStorage<Program>()

/** The program that runs now. @throws Error when there is none: then a part of lib runs outside the model */
export function current(): Program {
  const program = programs.getStore()
  if (!program) throw new Error('no program of the model runs here')
  return program
}
