/** A partition's state directory as a starter leaves it, a shepherd at work on it, and what /proc says of both. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { bootClock, bootId } from '../../lib/base/clock.ts'
import { randomMark } from '../../lib/machine/marks.ts'

/** What the name of every instance's directory begins with. */
const prefix = join(tmpdir(), `watchbill-shepherd-${process.pid}-`)

export const shepherdFile = new URL('../../lib/process/shepherd/shepherd.sh', import.meta.url).pathname

type Options = {
  lease?: number
  grace?: number
  policy?: 'always' | 'on-failure' | 'never'
  signal?: string
  stop?: string[]
  run: string[]
  env?: Record<string, string>
  shell?: string[]
  script?: string
}

export class Partition {
  readonly instance = mkdtempSync(prefix)
  readonly dir: string
  readonly mark = randomMark()
  /** The own lease's start, boot-clock ms. */
  own = 0
  #guard: ChildProcess | null = null
  readonly #children: ChildProcess[] = []

  constructor(t: TestContext, name = 'p1') {
    this.dir = join(this.instance, 'partition', name)
    mkdirSync(this.dir, { recursive: true })
    this.write('mark', `${this.mark}\n`)
    t.after(() => this.#clear(t))
  }

  write(fact: string, text: string): void {
    writeFileSync(join(this.dir, fact), text)
  }

  /** A fact's line; null when it is missing, empty, or not written to its end. */
  fact(name: string): string | null {
    const text = this.text(name)
    return text.endsWith('\n') ? text.slice(0, -1) : null
  }

  text(name: string): string {
    try {
      return readFileSync(join(this.dir, name), 'utf8')
    } catch {
      return ''
    }
  }

  /** The lines that the process has written so far. */
  output(): string[] {
    return this.text('output').split('\n').slice(0, -1)
  }

  /** The pid in a fact of the form `pid start-time`, or in a file that a process wrote. */
  pid(name = 'process'): number {
    return Number(this.fact(name)?.split(' ')[0] ?? 0)
  }

  /** Renews the instance's lease, as the guard does, and returns from when it counts. */
  renew(): number {
    const t0 = bootClock()
    writeFileSync(join(this.instance, 'lease'), `${bootId()} ${t0}\n`)
    return t0
  }

  /** A new acquisition with a lease of its own that begins now. */
  acquire(id = 'acquisition-1'): void {
    this.own = bootClock()
    this.write('acquisition', `${id}\n`)
    this.write('lease', `${this.own} ${this.own}\n`)
  }

  /** Starts a shepherd; acquires first, unless a test has written an acquisition of its own. */
  start(options: Options): ChildProcess {
    const { lease = 20_000, grace = 5000, policy = 'always', signal = 'TERM', stop = [], run } = options
    if (!existsSync(join(this.dir, 'acquisition'))) this.acquire()
    const output = openSync(join(this.dir, 'output'), 'a')
    const [shell = 'sh', ...flags] = options.shell ?? ['sh']
    const numbers = [String(lease), String(grace), policy, signal, String(stop.length)]
    const script = options.script ?? shepherdFile
    const args = [...flags, script, this.dir, 'acquisition-1', ...numbers, ...stop, ...run]
    const env = { ...process.env, ...options.env }
    return this.#keep(spawn(shell, args, { cwd: this.dir, detached: true, stdio: ['ignore', output, output], env }))
  }

  /**
   * Starts a shepherd and waits until its process runs. However long that takes on a busy machine, the own lease begins
   * then, unless the instance's is being renewed.
   */
  async running(options: Options): Promise<ChildProcess> {
    const starter = this.#guard ? null : this.keepRenewed()
    this.renew()
    const child = this.start(options)
    await until('the process runs', () => this.fact('status') === 'running' && this.pid())
    if (starter) {
      starter.kill('SIGKILL')
      await until('the lease is renewed no more', () => starter.signalCode)
      rmSync(join(this.instance, 'lease'))
      this.acquire()
      this.#guard = null
    }
    return child
  }

  /** Every living process that bears the partition's mark. */
  marked(): number[] {
    return pids().filter(pid => environ(pid).includes(`WATCHBILL_DIR=${this.dir}`))
  }

  /** Every line that is written to a fact, in order; the fact itself becomes a pipe. To be called before `start`. */
  transcript(name: string): string[] {
    const lines: string[] = []
    execFileSync('mkfifo', [join(this.dir, name)])
    const reader = this.#keep(spawn('sh', ['-c', 'exec cat <>"$1"', 'sh', join(this.dir, name)]))
    reader.stdout?.setEncoding('utf8').on('data', (text: string) => lines.push(...text.split('\n').slice(0, -1)))
    return lines
  }

  /** Writes the instance's lease anew whenever a shepherd is just reading it. @returns how often that was */
  renewAsItReads(): () => number {
    execFileSync('mkfifo', [join(this.instance, 'lease')])
    // Once more only when the reader has closed it.
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is for the shell
    const now = 'sleep 0.05; read -r up rest </proc/uptime; echo "$1 ${up%.*}${up#*.}0"; echo >>reads'
    this.#keep(
      spawn('sh', ['-c', `while :; do { ${now}; } >lease; sleep 0.1; done`, 'sh', bootId()], { cwd: this.instance }),
    )
    const reads = join(this.instance, 'reads')
    return () => (existsSync(reads) ? readFileSync(reads, 'utf8').length : 0)
  }

  /** Renews the instance's lease every 100 ms, in a process of its own: this one may be busy. */
  keepRenewed(): ChildProcess {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is for the shell
    const renew = 'while read -r up rest </proc/uptime; do echo "$1 ${up%.*}${up#*.}0" >l; mv l lease; sleep 0.1; done'
    this.#guard = this.#keep(spawn('sh', ['-c', renew, 'sh', bootId()], { cwd: this.instance }))
    return this.#guard
  }

  #keep(child: ChildProcess): ChildProcess {
    this.#children.push(child)
    return child
  }

  // `passed` is not in the types of Node 24.
  #clear(t: TestContext & { passed?: boolean }): void {
    for (const child of this.#children) child.kill('SIGKILL')
    if (t.passed)
      rmSync(this.instance, { recursive: true, force: true, maxRetries: 5 }) // a shepherd may write its last
    else t.diagnostic(`kept: ${this.instance}`)
  }
}

/** Every process of this test run: each was started in an instance's directory, whatever else became of it. */
export function strays(): number[] {
  return pids().filter(pid => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`).startsWith(prefix)
    } catch {
      return false
    }
  })
}

/** Waits for a condition; a rejection says which one did not come true. */
export async function until<T>(what: string, condition: () => T, ms = 10_000): Promise<NonNullable<T>> {
  const deadline = bootClock() + ms
  for (;;) {
    const value = condition()
    if (value) return value
    if (bootClock() > deadline) throw new Error(`not within ${ms} ms: ${what}`)
    await sleep(10)
  }
}

/** Waits until a shepherd has exited, and returns its exit code, or the signal that ended it. */
export async function exitOf(child: ChildProcess): Promise<number | string> {
  return until('the shepherd exits', () => String(child.exitCode ?? child.signalCode ?? '')).then(code =>
    /^\d+$/.test(code) ? Number(code) : code,
  )
}

/** Waits until a process is gone, and returns when (boot-clock ms). */
export async function gone(pid: number, what = `process ${pid} is gone`): Promise<number> {
  await until(what, () => !alive(pid))
  return bootClock()
}

export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It is gone.
  }
}

/** Whether a process is there and no zombie. */
export function alive(pid: number): boolean {
  const state = /\) (\S)/.exec(proc(pid, 'stat'))?.[1]
  return state !== undefined && !'ZX'.includes(state)
}

export function environ(pid: number): string[] {
  return proc(pid, 'environ').split('\0')
}

export function children(pid: number): number[] {
  return proc(pid, `task/${pid}/children`).split(' ').filter(Boolean).map(Number)
}

export function proc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}

export function pids(): number[] {
  return readdirSync('/proc').map(Number).filter(Number.isInteger)
}
