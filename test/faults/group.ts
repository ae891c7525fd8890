/** A control group with all processes of one host, to freeze, slow down or list them. */
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../lab/until.ts'

const root = '/sys/fs/cgroup'
/** The mount point of version 2, alone or besides version 1. */
export const version2 = [root, join(root, 'unified')].find(path => existsSync(join(path, 'cgroup.controllers'))) ?? null
/** The period, µs, for which the kernel limits the share of one CPU. */
const period = 100_000

/** The file that sets each controller, in version 1 and in version 2. */
const controls = { cpu: ['cpu.cfs_quota_us', 'cpu.max'], pids: ['pids.max', 'pids.max'] } as const
type Controller = keyof typeof controls

export class Group {
  readonly #directory: string
  /** Where each controller is set; null when the kernel does not offer it. */
  readonly #cpu: string | null
  readonly #pids: string | null

  constructor(name: string) {
    if (version2 === null) throw new Error('this machine has no control groups of version 2')
    this.#directory = join(version2, name)
    mkdirSync(this.#directory, { recursive: true })
    this.#cpu = this.#place('cpu', name)
    this.#pids = this.#place('pids', name)
  }

  /** The start of a command line that runs the rest in the group. */
  get enter(): readonly string[] {
    const files = this.#directories.map(directory => join(directory, 'cgroup.procs'))
    return ['/bin/sh', '-c', `for f in ${files.join(' ')}; do echo $$ >"$f"; done; exec "$@"`, 'sh']
  }

  get pids(): number[] {
    return this.#subtree.flatMap(pidsIn)
  }

  /** Lets a user make groups below this one and move its processes there, as systemd's Delegate=yes does. */
  delegate(uid: number): void {
    const files = ['.', 'cgroup.procs', 'cgroup.subtree_control', 'cgroup.threads']
    for (const file of files) chownSync(join(this.#directory, file), uid, uid)
  }

  async freeze(): Promise<void> {
    await this.#freeze('1')
  }

  async thaw(): Promise<void> {
    await this.#freeze('0')
  }

  /** Sends SIGKILL to all processes at the same moment: none sees another one die. */
  async kill(): Promise<void> {
    await this.freeze()
    for (const pid of this.pids) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // The pid is of a zombie that was reaped meanwhile.
      }
    }
    await this.thaw()
  }

  /** Limits the group to a share of one CPU; null for no limit. @returns false when the kernel does not offer it */
  starve(share: number | null): boolean {
    if (this.#cpu === null) return false
    const quota = share === null ? null : Math.round(share * period)
    const [v1, v2] = controls.cpu
    if (existsSync(join(this.#cpu, v1))) writeFileSync(join(this.#cpu, v1), String(quota ?? -1))
    else writeFileSync(join(this.#cpu, v2), `${quota ?? 'max'} ${period}`)
    return true
  }

  /**
   * While it may not fork, every fork and every new thread fails with EAGAIN.
   * @returns false when the kernel does not offer it
   */
  mayFork(may: boolean): boolean {
    if (this.#pids === null) return false
    writeFileSync(join(this.#pids, controls.pids[0]), may ? 'max' : '0')
    return true
  }

  /** Call it once the group is empty. */
  remove(): void {
    for (const directory of this.#directories) removeGroups(directory)
  }

  get #directories(): string[] {
    return [...new Set([this.#directory, this.#cpu ?? this.#directory, this.#pids ?? this.#directory])]
  }

  get #subtree(): string[] {
    return [this.#directory, ...groupsBelow(this.#directory)]
  }

  /** In version 1, a group of the same name, created here; in version 2, the group itself. */
  #place(controller: Controller, name: string): string | null {
    const v1 = join(root, controller)
    const [known, offered] = controls[controller]
    if (existsSync(join(v1, 'cgroup.procs'))) {
      mkdirSync(join(v1, name), { recursive: true })
      return existsSync(join(v1, name, known)) ? join(v1, name) : null
    }
    return offers(this.#directory, controller, offered) ? this.#directory : null
  }

  async #freeze(state: '0' | '1'): Promise<void> {
    writeFileSync(join(this.#directory, 'cgroup.freeze'), state)
    await until(`${this.#directory} to be ${state === '1' ? 'frozen' : 'thawed'}`, () =>
      readFileSync(join(this.#directory, 'cgroup.events'), 'latin1').includes(`frozen ${state}`),
    )
  }
}

function pidsIn(group: string): number[] {
  try {
    return readFileSync(join(group, 'cgroup.procs'), 'latin1').split('\n').filter(Boolean).map(Number)
  } catch {
    return [] // it was removed meanwhile
  }
}

/** The lowest first. */
export function removeGroups(directory: string): void {
  for (const group of [...groupsBelow(directory).reverse(), directory]) {
    try {
      rmdirSync(group)
    } catch {
      // A process in it is not reaped yet: one empty group more costs nothing.
    }
  }
}

/** All groups below this one, each after its parent. */
function groupsBelow(directory: string): string[] {
  try {
    const names = readdirSync(directory, { withFileTypes: true }).filter(entry => entry.isDirectory())
    return names.flatMap(({ name }) => [join(directory, name), ...groupsBelow(join(directory, name))])
  } catch {
    return [] // it was removed meanwhile
  }
}

function offers(directory: string, controller: Controller, file: string): boolean {
  try {
    writeFileSync(join(directory, '../cgroup.subtree_control'), `+${controller}`)
  } catch {
    return false
  }
  return existsSync(join(directory, file))
}
