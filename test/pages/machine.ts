/**
 * A machine to type commands on as a page prints them: its own network, processes, /etc, /var/lib and /usr/local, and a
 * sudo that is root already. What runs there ends with it. Needs root.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import { until } from '../lab/until.ts'

export interface Said {
  readonly code: number | undefined
  /** stdout and stderr as they came. */
  readonly said: string
}

/** Its first process reaps. */
const init = "trap '' TERM INT HUP; while :; do sleep 1000 & wait; done"
const terminal = 'exec script -qec "$LINE" /dev/null'
const spaces = ['--net', '--mount', '--pid', '--uts']

export class Machine {
  readonly name: string
  readonly checkout: string
  readonly folder: string
  readonly #keeper: ChildProcess
  readonly #pid: number

  private constructor(name: string, checkout: string, folder: string, keeper: ChildProcess, pid: number) {
    this.name = name
    this.checkout = checkout
    this.folder = folder
    this.#keeper = keeper
    this.#pid = pid
  }

  /**
   * @param parent a folder of the test's
   * @param checkout where commands are typed
   * @param programs by name, what is on PATH beside the system's
   */
  static async start(
    name: string,
    parent: string,
    checkout: string,
    programs: Readonly<Record<string, string>>,
  ): Promise<Machine> {
    const folder = join(parent, name)
    const bin = join(folder, 'bin')
    mkdirSync(bin, { recursive: true })
    for (const [program, file] of Object.entries(programs)) symlinkSync(file, join(bin, program))
    writeFileSync(join(bin, 'sudo'), '#!/bin/sh\nexec "$@"\n', { mode: 0o755 })
    const unshare = ['unshare', ...spaces, '--fork', '--kill-child', '--mount-proc', '--propagation', 'private']
    const command = ['--pdeathsig', 'KILL', ...unshare, '/bin/sh', '-c', init]
    const keeper = spawn('setpriv', command, { stdio: 'ignore', detached: true })
    keeper.unref()
    await once(keeper, 'spawn')
    const children = `/proc/${keeper.pid}/task/${keeper.pid}/children`
    const pid = await until('a first process', () => Number(readFileSync(children, 'latin1')) || null)
    await until('it to be a shell of its own', () => readFileSync(`/proc/${pid}/comm`, 'latin1') === 'sh\n')
    const machine = new Machine(name, checkout, folder, keeper, pid)
    await machine.do(`hostname ${name}; ip link set lo up; cp -a /etc ${folder}/etc; mount --bind ${folder}/etc /etc`)
    await machine.do('for d in /var/lib /usr/local/lib /usr/local/bin; do mount -t tmpfs -o mode=755 none $d; done')
    return machine
  }

  /** Types a line there. @param answer to what it asks, at a terminal; without one there is none */
  async type(line: string, more: Readonly<Record<string, string>> = {}, answer?: string): Promise<Said> {
    const typed = answer === undefined ? this.#shell(line, more) : this.#shell(terminal, { ...more, LINE: line })
    const input = answer === undefined ? { stdin: 'ignore' as const } : { input: answer }
    const { exitCode, all } = await execa(...typed, { ...input, reject: false, all: true })
    return { code: exitCode, said: all }
  }

  /** The same for what has to work. */
  async do(line: string): Promise<string> {
    const { code, said } = await this.type(line)
    if (code !== 0) throw new Error(`${this.name}: ${line}: exit ${code}: ${said}`)
    return said
  }

  /** Types a line that does not end, until the machine does. @returns what it says meanwhile */
  start(line: string): () => string {
    const log = join(this.folder, 'started')
    mkdirSync(log, { recursive: true })
    const file = join(log, line.replace(/\W+/g, '-').slice(0, 60))
    appendFileSync(file, '')
    spawn(...this.#shell(`exec >>${file} 2>&1; ${line}`, {}), { stdio: 'ignore' }).unref()
    return () => readFileSync(file, 'utf8')
  }

  /** A file there; a program when it is a script. */
  write(path: string, text: string): void {
    const file = `/proc/${this.#pid}/root${path}`
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
    if (text.startsWith('#!')) chmodSync(file, 0o755)
  }

  /** Where others may be plugged in, and its own address there. */
  async bridge(address: string): Promise<void> {
    await this.do('ip link add bridge type bridge && ip link set bridge up')
    await this.do(`ip address add ${address}/24 dev bridge`)
  }

  /** A cable to another machine's bridge. */
  async plugInto(other: Machine, address: string): Promise<void> {
    const cable = `ip link add ${this.name} type veth peer name eth0 netns ${this.#pid} && ip link set ${this.name} master bridge up`
    await execa('nsenter', [`--target=${other.#pid}`, '--net', '--', '/bin/sh', '-c', cable])
    await this.do(`ip link set eth0 up && ip address add ${address}/24 dev eth0`)
  }

  stop(): void {
    this.#keeper.kill('SIGKILL')
  }

  #shell(line: string, more: Readonly<Record<string, string>>): [string, string[]] {
    const path = [join(this.folder, 'bin'), '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'].join(':')
    const env = { PATH: path, HOME: '/root', WATCHBILL_CGROUP: 'off', ...more }
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`)
    const enter = [`--target=${this.#pid}`, ...spaces, '--']
    return ['nsenter', [...enter, 'env', '-i', '-C', this.checkout, ...variables, '/bin/sh', '-c', line]]
  }
}

export const isPossible = process.getuid?.() === 0 && existsSync('/usr/bin/nsenter')
