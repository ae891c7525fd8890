/**
 * The one process of an instance whose definition says `"per": "instance"`. It does what examples/one-process/worker.sh
 * does, with the same files. Each of its partitions counts as a separate process, so that the judge sees it.
 */
import { encode } from '../../lib/base/names.ts'
import { parseHanded } from '../../lib/base/worker-line.ts'
import type { Host, Process, Run } from './host.ts'
import type { Owner } from './world.ts'

/** How long stopping one partition may take, ms. The last one is longer than every grace period: the worker hangs. */
const stopTimes = [0, 0, 10, 300, 1500, 1_000_000]
/** What the worker may write besides its confirmations; lib must ignore it. */
const garbage = ['', '', 'garbage', '{"id":"0","tok', '{"id":"0"}']

interface Handled {
  readonly line: string
  readonly process: Process
  stopping: boolean
}

export class Carrier implements Owner {
  readonly host: Host
  readonly process: Process
  readonly #directory: string
  readonly #shepherd: Process
  readonly #environment: string
  readonly #locks: string
  /** The partitions it handles, by id. */
  readonly #handled = new Map<string, Handled>()
  /** The lines that it has confirmed. */
  readonly #past: string[] = []
  #looks = false
  #again = false

  constructor(host: Host, directory: string, shepherd: Process, onTerm: () => void, onEnd: () => void) {
    this.host = host
    this.#directory = directory
    this.#shepherd = shepherd
    this.#locks = host.files.file(`${directory}/mark`).text.trimEnd()
    this.#environment = `PATH=/bin\0WATCHBILL_DIR=${directory}\0WATCHBILL_MARK=${this.#locks}\0`
    this.process = host.start('carrier', {
      environment: this.#environment,
      locks: this.#locks,
      onSignal: name => (name === 'SIGWINCH' ? this.#look() : onTerm()),
      onEnd: () => {
        for (const { process } of this.#handled.values()) host.end(process.pid)
        onEnd()
      },
    })
    this.#look(200)
  }

  get alive(): boolean {
    return this.host.processes.get(this.process.pid) === this.process
  }

  /** Reads the assignment, and acts on it a little later. Only one look at a time. */
  #look(within = 30): void {
    const { world, name } = this.host
    this.#again = this.#looks
    if (this.#looks) return
    this.#looks = true
    world.after(world.between(`looks on ${name}`, 0, within), this, () => {
      const lines = this.#read()
      world.after(world.between(`acts on ${name}`, 0, 60), this, () => {
        this.#follow(lines)
        this.#looks = false
        if (this.#again) this.#look()
      })
    })
  }

  #read(name = 'assignment'): string[] {
    const path = `${this.#directory}/${name}`
    return this.host.files.exists(path) ? this.host.files.file(path).text.split('\n').filter(Boolean) : []
  }

  #follow(lines: readonly string[]): void {
    for (const [id, handled] of this.#handled) if (!lines.includes(handled.line)) this.#stop(id, handled)
    for (const line of lines) {
      const { id, token } = parseHanded(line) ?? { id: '', token: '' }
      if (id === '') this.host.world.forbid(`${this.host.name}: the worker is told ${line}`)
      else if (!this.#handled.has(id)) this.#start(id, token, line)
    }
    const own = [...this.#handled.values()].map(({ line }) => line)
    for (const line of this.#read('stopping')) if (!own.includes(line)) this.#confirm(line)
  }

  #start(id: string, token: string, line: string): void {
    const { host } = this
    const directory = `${this.#directory.slice(0, this.#directory.lastIndexOf('/'))}/${encode(id)}`
    const fact = (name: string) =>
      host.files.exists(`${directory}/${name}`) ? host.files.file(`${directory}/${name}`).text.trimEnd() : ''
    const acquisition = fact('acquisition') || fact('releasing')
    if (acquisition === '' && host.files.exists(directory))
      host.world.forbid(`${host.name}: the worker has ${id}, which was not acquired`)
    const run: Run = { directory, partition: id, acquisition, token: Number(token), shepherd: this.#shepherd }
    const process = host.start('worker', {
      ...{ environment: this.#environment, locks: this.#locks, run, group: this.process.pid, onSignal: () => {} },
      onEnd: () =>
        this.#handled.get(id)?.process === process && !this.#handled.get(id)?.stopping && host.end(this.process.pid),
    })
    this.#handled.set(id, { line, process, stopping: false })
    const says = host.world.random(`says too much on ${host.name}`) < 0.1
    // If the worker were asked to stop this partition, the line would be a false confirmation.
    if (says && this.#read().includes(line)) this.#append(line)
    host.world.say(`${host.name}: the worker runs ${id} (${acquisition}, token ${token}, pid ${process.pid})`)
  }

  #stop(id: string, handled: Handled): void {
    if (handled.stopping) return
    handled.stopping = true
    const { world, name } = this.host
    const time = stopTimes[world.between(`stops on ${name}`, 0, stopTimes.length - 1)] as number
    world.after(time, this, () => {
      this.host.end(handled.process.pid)
      this.#handled.delete(id)
      world.say(`${name}: the worker has stopped ${id}`)
      this.#confirm(handled.line)
      this.#look() // the partition may have been handed over again
    })
  }

  /** Confirms a line. The worker may also write garbage, repeat itself, or confirm a line that nobody asked for. */
  #confirm(line: string): void {
    const { world, name } = this.host
    const unasked = this.#read().filter(one => [...this.#handled.values()].some(handled => handled.line === one))
    const odd = [...garbage, ...unasked, ...this.#past]
    const pick = odd[world.between(`odd lines on ${name}`, 0, odd.length - 1)] as string
    this.#append(`${line}\n${pick}`)
    this.#past.push(line)
  }

  #append(text: string): void {
    const { files } = this.host
    if (files.exists(this.#directory)) files.append(`${this.#directory}/confirmations`, `${text}\n`)
  }
}
