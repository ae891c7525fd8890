/** One instance on a virtual machine as its Consul agent runs it: the guard at its interval, handlers at events. */
import type { ConsulModel } from './consul.ts'
import type { Host } from './host.ts'
import { stateRoot } from './host.ts'
import type { Lib } from './load.ts'
import { type Fault, Program } from './program.ts'

export const service = 'svc'
const definitionFile = '/etc/svc.json'

/** L, G and the guard's interval, ms. */
export interface Terms {
  readonly lease: number
  readonly grace: number
  readonly interval: number
}

/** The fields of a definition that docs/counts.md describes. */
export interface Calm {
  readonly wait?: string
  readonly moves?: { readonly atOnce: number }
  /** Of docs/own-rules.md. Nothing runs it here: plans are written by `plan put in force`. */
  readonly assign?: { readonly command: readonly string[] }
  readonly versions?: { readonly pattern: string; readonly first: string }
  /** Of docs/cut-off.md. */
  readonly whenIsolated?: 'keep'
}

/** One process for each partition, or one for all of an instance. */
export type Per = 'partition' | 'instance'

/** The deadlines at which the programs end themselves, ms. */
const deadlines = { guard: 4400, other: 120_000 }

export class Participant {
  readonly name: string
  readonly host: Host
  readonly #lib: Lib
  readonly #consul: ConsulModel
  #terms: Terms
  #longest = { lease: 0, grace: 0 }
  #per: Per
  readonly #calm: Calm
  /** It is registered with its agent. */
  present = false
  /** The guard hangs until this time. */
  hungUntil = 0
  /** The fault of a program's next run. */
  readonly faults = new Map<string, Fault>()
  #watch: 'idle' | 'due' | 'running' = 'idle'
  #again = false
  #status: 'passing' | 'critical' = 'passing'
  /** Incremented with each registration, so that the guard of an earlier registration stops. */
  #life = 0

  constructor(host: Host, lib: Lib, consul: ConsulModel, terms: Terms, per: Per, calm: Calm = {}) {
    this.name = `${host.name}:${service}`
    this.host = host
    this.#lib = lib
    this.#consul = consul
    this.#terms = terms
    this.#per = per
    this.#calm = calm
  }

  get home(): string {
    return `${stateRoot}/${this.name}`
  }

  get terms(): Terms {
    return this.#terms
  }

  /** The longest terms that it ever had, ms: its locks may still be held with them. */
  get longest(): Pick<Terms, 'lease' | 'grace'> {
    return this.#longest
  }

  get per(): Per {
    return this.#per
  }

  define(partitions: readonly string[], terms = this.#terms, per = this.#per): void {
    this.#terms = terms
    const { lease, grace } = this.#longest
    this.#longest = { lease: Math.max(lease, terms.lease), grace: Math.max(grace, terms.grace) }
    this.#per = per
    const definition = {
      name: service,
      partitions: { list: partitions },
      run: { per: this.#per, command: this.#per === 'instance' ? ['/work'] : ['/work', '{partition}'] },
      stop: { grace: `${terms.grace}ms` },
      guard: { interval: `${terms.interval}ms` },
      lease: `${terms.lease}ms`,
      ...this.#calm,
    }
    if (!this.host.files.exists('/etc')) this.host.files.make('/etc', true)
    this.host.files.write(definitionFile, JSON.stringify(definition))
  }

  /** Its configuration is written, and the agent reloads. */
  register(): void {
    this.present = true
    this.#status = 'passing'
    this.report()
    const life = ++this.#life
    this.host.world.after(this.host.world.between(`first check of ${this.name}`, 0, 1000), null, () => this.#tick(life))
    this.event(1000)
  }

  /** Makes its guard hang for so many ms. */
  hang(ms: number): void {
    this.hungUntil = this.host.world.now + ms
  }

  /** The agent reports its state to the servers, if it can reach them. */
  report(): void {
    const { cut, agent, name } = this.host
    if (!this.present || cut || !agent) return
    const node = this.#consul.nodes.get(name) ?? { serfHealth: 'passing', services: new Map() }
    this.#consul.nodes.set(name, node)
    if (!node.services.has(service)) node.services.set(service, { name: service, status: this.#status })
    this.#consul.setGuard(name, service, this.#status)
  }

  /** A watch fires: a handler starts within so many ms, unless one is running. */
  event(within = 100): void {
    const { world, agent, cut } = this.host
    if (!this.present || !agent || cut) return
    if (this.#watch === 'running') this.#again = true
    if (this.#watch !== 'idle') return
    this.#watch = 'due'
    world.after(world.between(`watches of ${this.name}`, 5, within), { host: this.host, alive: true }, () => {
      this.#watch = 'running'
      this.reconcile('on-service').then(() => {
        this.#watch = 'idle'
        if (this.#again) this.event()
        this.#again = false
      })
    })
  }

  async reconcile(program: string, after = 0): Promise<void> {
    await this.#run(program, deadlines.other, async log => {
      if (after > 0) await new Promise<void>(resolve => this.host.world.after(after, this.#owner(), resolve))
      const run = this.#context(log)
      try {
        return await this.#lib.reconcile(run)
      } finally {
        run.consul.close()
      }
    })
  }

  /** Powers off whatever has failed. @param runs what the commands do, and say */
  async power(runs: (command: readonly string[]) => Promise<string | null>): Promise<void> {
    const settings = { command: ['off'], confirm: ['is-off'], timeoutMs: 20_000, afterMs: 1000, perHour: 1000 }
    await this.#run('power', deadlines.other, async log => {
      const run = this.#context(log)
      try {
        return await this.#lib.powerByTurns(run, settings, runs)
      } finally {
        run.consul.close()
      }
    })
  }

  /** @returns whether it left */
  async leave(): Promise<boolean> {
    const outcome = await this.#run('leave', deadlines.other, async log => {
      const run = this.#context(log)
      try {
        return await this.#lib.leave(run, 60_000)
      } finally {
        run.consul.close()
      }
    })
    if (outcome === null || 'error' in outcome) return false
    this.present = false
    return true
  }

  #owner() {
    return { host: this.host, alive: true }
  }

  #context(log: (line: string) => void) {
    const [node, serviceId] = [this.host.name, service]
    const consul = new this.#lib.Consul({ env: {} })
    const files = this.#lib.instanceFiles(stateRoot, this.name)
    return { consul, instance: this.name, node, serviceId, service, definitionFile, files, log }
  }

  /** Runs the guard, and again one interval after it ended, while the agent is up. */
  #tick(life: number): void {
    if (!this.present || life !== this.#life) return
    const { world, agent, frozen } = this.host
    const next = () => world.after(this.#terms.interval, this.#owner(), () => this.#tick(life))
    if (!agent || frozen) next()
    else if (world.now < this.hungUntil) world.after(this.#terms.lease, this.#owner(), () => this.#timedOut(next))
    else this.#guard().then(next)
  }

  /** Consul kills a check at its timeout, which is L, and treats it as critical. */
  #timedOut(next: () => void): void {
    this.#setStatus('critical')
    next()
  }

  async #guard(): Promise<void> {
    const outcome = await this.#run('guard', deadlines.guard, log => {
      const { consul, ...here } = this.#context(log)
      consul.close()
      return this.#lib.guard(here, this.#terms.interval)
    })
    const verdict = outcome !== null && 'value' in outcome ? outcome.value : null
    const [, after] = verdict?.starts.get('reconcile') ?? []
    if (after !== undefined) void this.reconcile('reconcile', Number(after))
    if (verdict === null || verdict.code !== 0)
      this.host.world.say(`${this.name} guard: ${verdict?.sentence ?? 'failed'}`)
    this.#setStatus(verdict?.code === 0 ? 'passing' : 'critical')
  }

  #setStatus(status: 'passing' | 'critical'): void {
    if (!this.host.agent) return // the agent that ran the guard is down
    this.#status = status
    this.report()
  }

  async #run<T>(name: string, deadline: number, work: (log: (line: string) => void) => Promise<T>) {
    const { world } = this.host
    const fault = this.faults.get(name === 'guard' ? 'guard' : 'handler') ?? null
    if (fault) this.faults.delete(name === 'guard' ? 'guard' : 'handler')
    const program = new Program(this.host, `${this.name} ${name}`, this.home, fault)
    const say = (line: string) => world.say(`${program.name}: ${line}`)
    world.after(deadline, program, () => this.host.end(program.process.pid))
    // A stopped guard does not end itself: Consul kills a check at its timeout.
    if (name === 'guard')
      world.after(this.#terms.lease, this.#owner(), () => program.alive && this.host.end(program.process.pid))
    const outcome = await program.run(() => work(say))
    if (outcome !== null && 'error' in outcome) this.#failed(say, outcome.error)
    return outcome
  }

  /** An expected failure has one line; any other error is a bug. */
  #failed(say: (line: string) => void, error: unknown): void {
    const { name, message, stack } = error as Error
    if (name !== 'Temporary' && name !== 'Permanent') this.host.world.forbid(`${this.name}: a bug: ${stack}`)
    say(`failed: ${message}`)
  }
}
