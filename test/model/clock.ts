/**
 * The clock of an instance on a virtual machine. It does what lib/process/shepherd/clock.sh does, with the same files and
 * rules, but it wakes every shepherd at each tick. Tests with real processes show that the script really does so.
 */
import type { Host, Process } from './host.ts'
import type { Owner } from './world.ts'

/** How late it looks, as a shepherd with a timer does, ms. */
const late = 10

export class Clock implements Owner {
  readonly host: Host
  readonly process: Process
  readonly #directory: string
  readonly #lease: number

  constructor(host: Host, [directory = '', lease]: readonly string[]) {
    this.host = host
    this.#directory = directory
    this.#lease = Number(lease)
    const mine = `clock of ${directory}`
    const taken = [...host.processes.values()].some(({ environment }) => environment === mine)
    this.process = host.start('clock', {
      leads: false,
      environment: taken ? '' : mine,
      onEnd: () => taken || this.#wakeAll(),
    })
    if (taken) host.end(this.process.pid)
    else this.#tick()
  }

  get alive(): boolean {
    return this.host.processes.get(this.process.pid) === this.process
  }

  get stopped(): boolean {
    return this.process.stopped
  }

  #tick(): void {
    if (this.process.hung) return
    const { host } = this
    const [boot, t0] = this.#words(`${this.#directory.replace(/\/clock$/, '')}/lease`)
    const tick = Number(t0) + this.#lease
    const runs = boot === host.boot && Number(t0) <= host.clock && host.clock < tick
    if (!runs) {
      host.end(this.process.pid)
      return
    }
    host.files.make(this.#directory, true)
    if (host.disk === null) {
      const { pid, start } = this.process
      host.files.write(`${this.#directory}/promise`, `${pid} ${start} ${tick} ${this.#lease}\n`)
    }
    this.#wakeAll()
    host.world.after(tick - host.clock + late, this, () => this.#tick())
  }

  #wakeAll(): void {
    for (const process of [...this.host.processes.values()]) if (process.kind === 'shepherd') process.onSignal('SIGURG')
  }

  #words(path: string): string[] {
    return this.host.files.exists(path) ? (this.host.files.file(path).text.split('\n')[0]?.split(/ +/) ?? []) : []
  }
}

/** Whether a clock watches a lease that the instance's lease extends: see shepherd.sh. @param now boot clock, ms */
export function isCovered(host: Host, promise: string, lease: number, end: number, now: number): boolean {
  const [pid, start, tick, least] = promise.split(' ').map(Number)
  const clock = host.processes.get(pid as number)
  if (clock?.kind !== 'clock' || clock.start !== start) return false
  return (tick as number) > now && (tick as number) <= end && (least as number) <= lease
}
