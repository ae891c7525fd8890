/** The command and its shepherd, from their start until no process of them is left. */
import type { ChildProcess } from 'node:child_process'
import { writeSync } from 'node:fs'
import { isatty } from 'node:tty'
import { bootClock, keepClock, steadyClock } from '../base/clock.ts'
import { reason } from '../base/errors.ts'
import { asCalled } from '../machine/caller.ts'
import { Descendants } from './descendants.ts'
import type { Mark } from './mark.ts'
import { unnamedFile } from './note.ts'
import type { Order } from './order.ts'
import { becoming } from './program.ts'

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** Why it could not be started; null when it was. */
  readonly failed: string | null
  /** Why it was stopped; null when it ended by itself. */
  readonly stopped: string | null
  /** The system cannot show whether a process is left: the lock must not be given back as clean. */
  readonly unseen: boolean
}

/** Loaded late, while Consul answers. */
const spawn = (...args: Parameters<typeof import('node:child_process').spawn>): ChildProcess =>
  process.getBuiltinModule('node:child_process').spawn(...args)

const script = `${import.meta.dirname}/lock-shepherd.sh`

/** How long a shepherd may be late before it is replaced, ms. The takeover wait leaves 1 s for that. */
const slack = 300

/** Pause before a shepherd that somebody killed is replaced, ms. */
const rest = 50

/** When to look for the command's descendants first, ms after its start; then at each renewal. */
const soon = 200

/** For how long a preparation is good, ms: what started meanwhile is read at each look. */
const stale = 5000

/** The shepherd's exit status when there was nothing to stop, and when there was: in both nothing is left. */
const stoppedNone = 0
const stoppedSome = 1

const leaseOver = 'the lease is over'

/** A lease end in the far past, boot-clock ms: a shepherd that reads it kills at once. */
const timeIsOver = 1

export class Run {
  /** Resolves when the command has ended and nothing of it is left. */
  readonly over: Promise<Ended>
  readonly #command: readonly [string, ...string[]]
  readonly #stdin: 'inherit' | 'ignore'
  readonly #environment: NodeJS.ProcessEnv
  readonly #mark: Mark
  readonly #grace: number
  readonly #note = unnamedFile()
  readonly #resolve: (ended: Ended) => void
  readonly #descendants: Descendants
  /** The program and arguments that become the command, once they are prepared. */
  #words: readonly string[] = []
  #prepared = Number.NEGATIVE_INFINITY
  #child: ChildProcess | null = null
  #end = 0
  #shepherd: ChildProcess | null = null
  #ended: Omit<Ended, 'stopped' | 'unseen'> | null = null
  #stopped: string | null = null
  /** The command ended after its lease was over. */
  #late = false
  #over = false
  /** A shepherd has looked for what the command left, after its end, and has found or left nothing. */
  #swept = false
  #force: NodeJS.Timeout | undefined
  #firstLook: NodeJS.Timeout | undefined

  /** @param mark the mark of the command and its descendants, which is also in `environment` */
  constructor(
    { command, passStdin, terms }: Pick<Order, 'command' | 'passStdin' | 'terms'>,
    environment: NodeJS.ProcessEnv,
    mark: Mark,
  ) {
    keepClock()
    const { promise, resolve } = Promise.withResolvers<Ended>()
    this.over = promise
    this.#resolve = resolve
    this.#command = command
    // If stdin is a pipe or a file, a shell loop around `lock` may be reading it line by line: leave it alone.
    this.#stdin = passStdin || isatty(0) ? 'inherit' : 'ignore'
    this.#environment = environment
    this.#mark = mark
    this.#descendants = new Descendants(mark)
    this.#grace = terms.grace
  }

  /** The lease runs until `end`, boot-clock ms. The first time this starts the shepherd. */
  extend(end: number): void {
    this.#lease(end)
    if (this.#child !== null) this.#descendants.left() // keeps handles for later, when /proc may not be readable
  }

  /** Does what need not wait for the lock; again when that was long ago, as after a long wait. @throws never */
  prepare(): void {
    const now = steadyClock()
    if (now < this.#prepared + stale) return
    this.#prepared = now
    process.getBuiltinModule('node:child_process')
    this.#words = becoming(asCalled(this.#command), this.#mark)
    this.#descendants.prepare()
  }

  #lease(end: number): void {
    this.#end = end
    this.#write()
    if (this.#shepherd === null) this.#herd()
    if (this.#child !== null && this.#stopped === null) this.#forceAt(end)
  }

  get leaseRuns(): boolean {
    return bootClock() < this.#end
  }

  /** Starts the command, once the lock is held. @throws never: a failure becomes `failed` in `over` */
  start(more: NodeJS.ProcessEnv): void {
    this.prepare()
    const [file = '', ...args] = this.#words
    try {
      const child = spawn(file, args, {
        env: { ...this.#environment, ...more },
        stdio: [this.#stdin, 'inherit', 'inherit'],
      })
      this.#child = child
      child.on('error', error => {
        // Also emitted when a signal was refused, as by a command under sudo: then the command has not ended.
        if (child.pid === undefined) this.#finish({ code: null, signal: null, failed: reason(error) })
      })
      child.on('exit', (code, signal) => this.#finish({ code, signal, failed: null }))
      // If a bug ends `lock`, kill the command first: one with capabilities does not die with `lock`.
      process.once('uncaughtExceptionMonitor', () => child.kill('SIGKILL'))
    } catch (error) {
      this.#finish({ code: null, signal: null, failed: reason(error) }) // such as arguments that are too long
    }
    const { pid } = this.#child ?? {}
    if (pid !== undefined) this.#descendants.begin(pid)
    this.#lease(this.#end)
    this.#firstLook = setTimeout(() => this.#descendants.left(), soon)
  }

  /** Sends a signal to the command alone. */
  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name)
  }

  /** Has every process stopped: SIGTERM, then SIGKILL after the grace period. The first reason counts. */
  stop(why: string): void {
    if (this.#stopped !== null || this.#ended !== null) return
    this.#stopped = why
    this.#ask()
    this.#forceAt(Math.min(bootClock(), this.#end))
  }

  /** Ends the shepherd of a command that was never started. */
  dismiss(): void {
    this.#ask('gone')
  }

  #finish(ended: Omit<Ended, 'stopped' | 'unseen'>): void {
    this.#ended ??= ended
    this.#late = !this.leaseRuns
    this.#settle()
  }

  /**
   * The run is over when the command has ended and no process has its mark. A shepherd that is stopping the command also
   * knows descendants without a mark, so wait for it. Until the end there is always a shepherd.
   */
  #settle(): void {
    if (this.#over) return
    const isStopping = this.#shepherd !== null && (this.#stopped !== null || !this.leaseRuns)
    const left = isStopping ? null : this.#descendants.left()
    // Where processes fork all the time no look of ours is sure: then the shepherd has to have looked, too.
    const isGone = left?.length === 0 && (this.#descendants.isSure || this.#swept)
    // If /proc cannot be read and all time is over, nothing more can be done.
    const unseen = !isStopping && left === null && this.#end === timeIsOver
    if (this.#ended !== null && (isGone || unseen)) {
      this.#over = true
      clearTimeout(this.#force)
      clearTimeout(this.#firstLook)
      if (unseen) this.#ask()
      else setImmediate(() => this.#ask('gone')) // after the request that gives the lock back
      const words = unseen ? `${leaseOver}, and what is left cannot be seen: ${this.#descendants.blind}` : this.#stopped
      this.#resolve({ ...this.#ended, stopped: words, unseen })
    } else if (this.#shepherd === null) setTimeout(() => this.#shepherd ?? this.#herd(), rest)
    else if (this.#ended !== null) this.#ask()
  }

  #write(): void {
    const { pid, start } = this.#descendants.command ?? { pid: 0, start: 0 }
    writeSync(this.#note, `${this.#end} ${pid} ${start} ${this.#end}`.padEnd(100).concat('\n'), 0)
  }

  #herd(): void {
    // Without the user's environment and the mark: the shepherd gets no token, and a kill by mark does not hit it.
    const env = { PATH: `${process.env.PATH ?? ''}:/usr/sbin:/usr/bin:/sbin:/bin` }
    const shepherd = this.#spawned('/bin/sh', [script, String(this.#grace), this.#mark.number], {
      cwd: '/',
      env,
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore', this.#note],
    })
    if (shepherd === null) {
      if (this.#child !== null) this.#settle() // which tries again
      return
    }
    this.#shepherd = shepherd
    shepherd.stdin?.on('error', () => {}) // it may be gone before it is told
    shepherd.on('error', () => this.#herded(shepherd, null)).on('exit', status => this.#herded(shepherd, status))
    if (this.#stopped !== null || this.#ended !== null) this.#ask()
  }

  /** null when spawn throws, as when there is no memory to fork. */
  #spawned(...args: Parameters<typeof spawn>): ChildProcess | null {
    try {
      return spawn(...args)
    } catch {
      return null
    }
  }

  /** The shepherd has ended: its work is done, and its status says whether it stopped anything; or somebody killed it. */
  #herded(shepherd: ChildProcess, status: number | null): void {
    if (this.#shepherd !== shepherd) return
    this.#shepherd = null
    if (this.#child === null && this.#ended === null) return // the command was not started yet
    if (this.#ended !== null && (status === stoppedNone || status === stoppedSome)) this.#swept = true
    if (status === stoppedSome && (this.#ended === null || this.#late)) this.#stopped ??= leaseOver
    this.#settle()
  }

  /** The first word counts. */
  #ask(word = 'stop'): void {
    this.#shepherd?.stdin?.write(`${word}\n`)
  }

  /** Called after a failed proof: time may have passed unnoticed, as while the machine was suspended. */
  check(): void {
    if (this.#child !== null && bootClock() > this.#end + this.#grace + slack) this.#forceAt(this.#end)
  }

  /**
   * Replaces a shepherd that is late by a new one, which finds that its time is over. If none can be started, as when the
   * system refuses to fork, stops everything from here.
   */
  #forceAt(end: number): void {
    clearTimeout(this.#force)
    const over = () => {
      if (this.#shepherd === null) {
        this.#stopped ??= leaseOver
        this.#signalAll('SIGTERM')
      }
      this.#force = setTimeout(held, end + this.#grace + slack - bootClock())
    }
    const held = () => {
      this.#stopped ??= leaseOver
      this.#end = timeIsOver
      this.#write()
      this.#shepherd?.kill('SIGKILL')
      this.#killAll()
    }
    this.#force = setTimeout(over, end + slack - bootClock())
  }

  #killAll(): void {
    if (this.#over) return
    this.#signalAll('SIGKILL')
    this.#force = setTimeout(() => this.#killAll(), rest)
  }

  /** While the command has not ended, its pid cannot be reused: it is signalled without a look at /proc. */
  #signalAll(name: NodeJS.Signals): void {
    const command = this.#ended === null ? this.#child : null
    command?.kill(name)
    this.#descendants.signal(name, command?.pid)
  }
}
