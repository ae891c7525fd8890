/**
 * The launcher and the shepherds of a virtual machine. They do what lib/machine/launch.sh and shepherd.sh do, by the
 * same files and rules. Tests with real processes show that the scripts really do so.
 */
import { Carrier } from './carrier.ts'
import { Clock, isCovered } from './clock.ts'
import type { Host, Process, Run } from './host.ts'
import type { Owner } from './world.ts'

/** @param argv {DIR N ARGUMENT…}… @param environment with the variables that differ as `_0_NAME`, `_1_NAME`, … */
export function launch(host: Host, argv: readonly string[], environment: Readonly<Record<string, string>>): void {
  for (let at = 0, nth = 0; at < argv.length; nth++) {
    const [directory = '', count] = argv.slice(at, at + 2)
    const own = argv.slice(at + 2, at + 2 + Number(count))
    at += 2 + Number(count)
    if (directory.endsWith('/clock')) {
      new Clock(host, own)
      continue
    }
    const command = own.slice(7)
    if (!isOwnCommand(command, directory.endsWith('/.worker')))
      host.world.forbid(`${host.name} would run ${JSON.stringify(command)}`)
    const variable = (name: string) => environment[`_${nth}_${name}`] ?? environment[name] ?? ''
    const { pid, start } = new Shepherd(host, own, variable).process
    if (host.files.exists(directory)) host.files.write(`${directory}/launched`, `${pid} ${start}\n`)
  }
}

/**
 * Only the definition's command with the partition's name is allowed; for the worker of all partitions, the one
 * without a name.
 */
function isOwnCommand([file, partition = '', ...more]: readonly string[], ofAll: boolean): boolean {
  return file === '/work' && (partition === '') === ofAll && more.length === 0
}

/**
 * The time from a process's stop signal to its end. The last one is longer than every grace period: it ignores the
 * signal.
 */
const stopTimes = [0, 300, 1500, 1_000_000]

class Shepherd implements Owner {
  readonly host: Host
  readonly process: Process
  readonly #directory: string
  readonly #acquisition: string
  readonly #lease: number
  readonly #grace: number
  readonly #mark: string
  readonly #partition: string
  readonly #token: number
  readonly #version: string
  #worker: Process | null = null
  #asked = false
  #why = ''
  /** End of the lease, boot-clock ms. */
  #end = 0
  #deadline: number | null = null
  #fails = 0
  /** The guard's proof counts for it. */
  #renewed = false
  /** Counts up with each look, so that an earlier timer is none any more. */
  #looks = 0

  constructor(
    host: Host,
    [directory = '', acquisition = '', lease, grace]: readonly string[],
    variable: (name: string) => string,
  ) {
    this.host = host
    this.#directory = directory
    this.#acquisition = acquisition
    this.#lease = Number(lease)
    this.#grace = Number(grace)
    this.#mark = this.#read('mark')
    this.#partition = variable('WATCHBILL_PARTITION')
    this.#token = Number(variable('WATCHBILL_TOKEN'))
    this.#version = variable('WATCHBILL_VERSION')
    const mine = `shepherd of ${directory}`
    const taken = [...host.processes.values()].some(({ environment }) => environment === mine)
    const onSignal = (name: string) => {
      if (name === 'SIGTERM') this.#ask()
      if (name === 'SIGURG') this.#in(1, () => this.#worker && this.#watch(this.#worker))
    }
    this.process = host.start('shepherd', {
      leads: false,
      environment: taken ? '' : mine,
      onSignal,
      onEnd: () => this.#orphan(),
    })
    if (taken) host.end(this.process.pid)
    else this.#in(0, () => this.#begin())
  }

  get alive(): boolean {
    return this.host.processes.get(this.process.pid) === this.process
  }

  #in(ms: number, step: () => void): void {
    this.host.world.after(ms, this, () => (this.process.stopped ? this.#in(50, step) : step()))
  }

  #begin(): void {
    this.#put('shepherd', `${this.process.pid} ${this.process.start}`)
    this.#put('status', 'starting')
    this.#put('restarts', '0')
    if (this.#read('process') !== '') this.#sweep()
    this.#go()
  }

  #go(): void {
    if (this.#current()) this.#run()
    else this.#finish()
  }

  #run(): void {
    this.#put('process', 'starting')
    const worker = this.#directory.endsWith('/.worker') ? this.#startCarrier() : this.#startWorker()
    this.#worker = worker
    this.#put('process', `${worker.pid} ${worker.start}`)
    this.#put('status', 'running')
    this.#watch(worker)
  }

  #startCarrier(): Process {
    const { process: carrier }: Carrier = new Carrier(
      this.host,
      this.#directory,
      this.process,
      () => this.#asksWorker(carrier),
      () => this.#ended(carrier),
    )
    return carrier
  }

  #startWorker(): Process {
    const { host } = this
    const run: Run = {
      ...{ directory: this.#directory, partition: this.#partition, acquisition: this.#acquisition },
      ...{ token: this.#token, version: this.#version, shepherd: this.process },
    }
    const locks = this.#mark
    const environment = `PATH=/bin\0WATCHBILL_DIR=${this.#directory}\0WATCHBILL_MARK=${locks}\0`
    const worker = host.start('worker', {
      environment,
      locks,
      run,
      onSignal: () => this.#asksWorker(worker),
      onEnd: () => this.#ended(worker),
    })
    host.world.say(
      `${host.name}: ${this.#partition} runs (${this.#acquisition}, token ${this.#token}, pid ${worker.pid})`,
    )
    if (host.world.random(`descendants on ${host.name}`) < 0.2) {
      // A program that has cleared its environment, or overwritten it with its title, keeps the limit.
      const bare = host.world.random(`titles on ${host.name}`) < 0.5
      host.start('descendant', { environment: bare ? '' : environment, locks, run, onSignal: () => {} })
    }
    return worker
  }

  /** Reads the lease again when the last known one is over. */
  #watch(worker: Process): void {
    if (this.#worker !== worker || this.#deadline !== null) return
    const look = ++this.#looks
    if (!this.#current()) this.#stop()
    else if (!this.#isCovered())
      this.#in(this.#end - this.#now() + 10, () => this.#looks === look && this.#watch(worker))
  }

  /** Whether it needs no timer. */
  #isCovered(): boolean {
    const promise = this.#text(`${this.#instance}/clock/promise`)
    return this.#renewed && isCovered(this.host, promise, this.#lease, this.#end, this.#now())
  }

  #ask(): void {
    this.#asked = true
    this.#in(1, () => this.#worker && this.#watch(this.#worker))
  }

  #asksWorker(worker: Process): void {
    const { world } = this.host
    const time = stopTimes[world.between(`stops on ${this.host.name}`, 0, stopTimes.length - 1)] as number
    world.after(
      time,
      { host: this.host, alive: true },
      () => this.host.processes.get(worker.pid) === worker && this.host.end(worker.pid),
    )
  }

  #ended(worker: Process): void {
    this.host.world.say(`${this.host.name}: the process of ${this.#partition} is gone (pid ${worker.pid})`)
    if (this.#worker === worker) this.#worker = null
    if (this.alive) this.#in(1, () => (this.#deadline === null ? this.#settle() : this.#putDown()))
  }

  /** The process ended by itself. */
  #settle(): void {
    this.#sweep()
    this.#put('process', '')
    this.#put('status', 'backing off: exit 1')
    this.#in(Math.min(100 * 2 ** this.#fails++, 30_000), () => this.#go())
  }

  #stop(): void {
    this.#put('status', `stopping: ${this.#why}`)
    this.#deadline = Math.min(this.#now(), this.#end) + this.#grace
    const left = this.#deadline - this.#now()
    if (left > 0 && this.#worker) this.#asksWorker(this.#worker)
    if (left > 0) this.#in(left, () => this.#putDown())
    else this.#putDown()
  }

  #putDown(): void {
    if (this.#worker)
      this.host.end(this.#worker.pid) // which calls this method again
    else if (this.#has('releasing') && this.#now() < (this.#deadline ?? 0)) {
      this.#put('status', 'stopped, not swept')
      this.#in(1000, () => this.#finish())
    } else this.#finish()
  }

  #finish(): void {
    this.#sweep()
    this.#put('status', `stopped: ${this.#why}`)
    this.#put('process', '')
    this.host.end(this.process.pid)
  }

  #orphan(): void {
    if (this.#worker && this.host.deathSignal) this.host.end(this.#worker.pid)
  }

  #sweep(): void {
    for (const { pid, locks } of [...this.host.processes.values()]) if (locks === this.#mark) this.host.end(pid)
  }

  /** Whether the process may run; see shepherd.sh. */
  #current(): boolean {
    const [from = '', own = ''] = this.#twice(`${this.#directory}/lease`)
    const [boot, t0 = ''] = this.#twice(`${this.#instance}/lease`)
    const now = this.#now()
    const past = (text: string) => /^(0|[1-9]\d{0,13})$/.test(text) && Number(text) <= now
    let until = past(own) ? Number(own) + this.#lease : 0
    const counts = own !== '' && boot === this.host.boot && past(from) && past(t0) && Number(t0) >= Number(from)
    this.#renewed = counts && Number(t0) + this.#lease > until
    if (this.#renewed) until = Number(t0) + this.#lease
    this.#why = 'the acquisition is void'
    if (this.#read('acquisition') !== this.#acquisition) return false
    if (until > 0) this.#end = until
    if (now >= until && this.#isKept()) {
      this.#renewed = false
      until = now + this.#lease
      this.#end = until
    }
    this.#why = this.#asked ? 'asked' : 'the lease is over'
    return !this.#asked && now < until
  }

  /** It goes on although its lease is over: see lib/state/kept.ts. */
  #isKept(): boolean {
    const [boot, acquisition] = this.#read('kept').split(' ')
    return boot === this.host.boot && acquisition === this.#acquisition
  }

  /** The boot clock, rounded up to the end of its tick. */
  #now(): number {
    return Math.floor(this.host.clock / 10) * 10 + 9
  }

  get #instance(): string {
    return this.#directory.split('/').slice(0, -2).join('/')
  }

  #read(fact: string): string {
    return this.#text(`${this.#directory}/${fact}`)
  }

  #text(path: string): string {
    return this.host.files.exists(path) ? this.host.files.file(path).text.trimEnd() : ''
  }

  /** The words of a line that the file holds twice or once. */
  #twice(path: string): string[] {
    const [line = '', copy = line] = this.#text(path).split('\n')
    return line.trimEnd() === copy.trimEnd() ? line.trimEnd().split(/ +/) : []
  }

  #has(fact: string): boolean {
    return this.host.files.exists(`${this.#directory}/${fact}`)
  }

  #put(fact: string, text: string): void {
    if (this.host.disk === 'disk read-only' || !this.host.files.exists(this.#directory)) return
    // Written in place: on a full disk the text is lost, and the file stays, empty.
    this.host.files.write(`${this.#directory}/${fact}`, this.host.disk === null ? `${text}\n` : '')
  }
}
