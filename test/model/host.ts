/** A virtual machine: its files, its processes, its clock, its place in the network. */
import { Files, failure } from './files.ts'
import type { World } from './world.ts'

/** For a partition's process: for whom it runs, and under which acquisition. */
export interface Run {
  readonly directory: string
  readonly partition: string
  readonly acquisition: string
  readonly token: number
  /** The version that it was told; missing for a partition of the one process for all. */
  readonly version?: string
  readonly shepherd: Process
}

export interface Process {
  readonly pid: number
  /** Clock ticks since boot, of 10 ms. */
  readonly start: number
  readonly kind: 'program' | 'shepherd' | 'clock' | 'carrier' | 'worker' | 'descendant' | 'stranger'
  /** The pid of the leader of its process group. */
  readonly group: number
  readonly environment: string
  /** Its limit on file locks. */
  readonly locks: string
  readonly run: Run | null
  stopped: boolean
  /** It waits for something that never comes. Only the clock looks at it. */
  hung?: true
  /** Called for every signal except SIGKILL, SIGSTOP and SIGCONT. */
  readonly onSignal: (signal: string) => void
  readonly onEnd: () => void
}

type Birth = Partial<Pick<Process, 'environment' | 'locks' | 'run' | 'onSignal' | 'onEnd' | 'group'>> & {
  readonly leads?: boolean
}

export const stateRoot = '/var/lib/watchbill'
/** How long a machine has been up when a run begins, ms. */
const upFor = 1_000_000

export class Host {
  readonly name: string
  readonly world: World
  files: Files
  readonly processes = new Map<number, Process>()
  boot: string
  #bootedAt = -upFor
  #boots = 1
  /** The network is cut: no packet gets in or out. */
  cut = false
  /** The agent answers. */
  agent = true
  frozen = false
  /** The fault of its disk, for every program, while it lasts. */
  disk: 'disk full' | 'disk read-only' | null = null
  thawedAt = Number.NEGATIVE_INFINITY
  atThaw: (() => void)[] = []
  /** Its setpriv can bind a process's life to its parent's (PR_SET_PDEATHSIG). */
  deathSignal = true
  readonly #lastStart = new Map<number, number>()

  constructor(name: string, world: World) {
    this.name = name
    this.world = world
    this.files = new Files(() => world.now)
    this.files.make(stateRoot, true)
    this.boot = `boot-1-of-${name}`
  }

  /** Boot clock, ms. */
  get clock(): number {
    return this.world.now - this.#bootedAt
  }

  get uptime(): string {
    return `${(Math.floor(this.clock / 10) / 100).toFixed(2)} 0.00\n`
  }

  /** Pids are reused at once: a program that remembers a pid without its start time soon means another process. */
  start(
    kind: Process['kind'],
    { leads = true, environment = '', locks = 'unlimited', run = null, group, onSignal, onEnd }: Birth = {},
  ): Process {
    let pid = 100
    while (this.processes.has(pid)) pid++
    const start = Math.max(Math.floor(this.clock / 10), (this.#lastStart.get(pid) ?? 0) + 1)
    this.#lastStart.set(pid, start)
    const process: Process = {
      ...{ pid, start, kind, environment, locks, run, stopped: false, group: group ?? (leads ? pid : 1) },
      ...{ onSignal: onSignal ?? (() => this.end(pid)), onEnd: onEnd ?? (() => {}) },
    }
    this.processes.set(pid, process)
    return process
  }

  end(pid: number): void {
    const process = this.processes.get(pid)
    if (!process) return
    this.processes.delete(pid)
    process.onEnd()
  }

  /** @param pid negative for a process group. @throws ESRCH */
  signal(pid: number, name: string): Process[] {
    const targets = [...this.processes.values()].filter(one => (pid < 0 ? one.group === -pid : one.pid === pid))
    if (targets.length === 0) throw failure('ESRCH', `kill ${pid}`)
    for (const target of targets) {
      if (name === 'SIGKILL') this.end(target.pid)
      else if (name === 'SIGSTOP' || name === 'SIGCONT') target.stopped = name === 'SIGSTOP'
      else target.onSignal(name)
    }
    return targets
  }

  freeze(): void {
    this.frozen = true
  }

  /** Events that were due meanwhile happen now. Shepherds notice before their processes get to run. */
  thaw(): void {
    this.frozen = false
    this.thawedAt = this.world.now
    for (const happen of this.atThaw.splice(0)) happen()
  }

  /**
   * Ends all processes; the files stay.
   * @param boot the same id for a restarted container; its clock starts again all the same
   */
  reboot(boot = `boot-${++this.#boots}-of-${this.name}`): void {
    for (const pid of [...this.processes.keys()]) this.end(pid)
    this.#bootedAt = this.world.now
    this.#lastStart.clear()
    this.boot = boot
  }

  /** A file below /proc. @throws ENOENT */
  proc(path: string): string {
    if (path === '/proc/uptime') return this.uptime
    if (path === '/proc/sys/kernel/random/boot_id') return `${this.boot}\n`
    if (path === '/proc/sys/kernel/random/uuid') return `acquisition-${this.#nextUuid()}\n`
    const [, pid, fact] = /^\/proc\/(\d+)\/(stat|environ|limits|cmdline)$/.exec(path) ?? []
    const process = this.processes.get(Number(pid))
    if (!process) throw failure('ENOENT', path)
    if (fact === 'environ') return process.environment
    if (fact === 'limits') {
      const { locks } = process
      return `Limit                     Soft Limit\nMax file locks            ${locks} ${locks} locks     \n`
    }
    if (fact === 'cmdline') return process.kind === 'program' ? '/model/handlers/reconcile.ts' : ''
    const state = process.stopped ? 'T' : 'S'
    return `${process.pid} (a (b) c) ${state} 1 ${process.group} ${'0 '.repeat(16)}${process.start} 0\n`
  }

  #uuids = 0
  #nextUuid(): string {
    return `${this.name}${++this.#uuids}`
  }
}
