/** A control group: all processes of one host, to freeze, to starve, to list. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../lab/until.ts'

const root = '/sys/fs/cgroup'
/** Where version 2 is mounted, alone or beside version 1. */
export const version2 = [root, join(root, 'unified')].find(path => existsSync(join(path, 'cgroup.controllers'))) ?? null
const cpuV1 = existsSync(join(root, 'cpu/cpu.cfs_quota_us')) ? join(root, 'cpu') : null
/** The share of one CPU is counted in periods of so many µs. */
const period = 100_000

export class Group {
  readonly #directory: string
  /** Where its share of the CPU is set; null where the kernel offers none. */
  readonly #cpu: string | null

  constructor(name: string) {
    if (version2 === null) throw new Error('this machine has no control groups of version 2')
    this.#directory = join(version2, name)
    mkdirSync(this.#directory, { recursive: true })
    this.#cpu = cpuV1 === null ? offersCpu(this.#directory) : join(cpuV1, name)
    if (cpuV1 !== null) mkdirSync(join(cpuV1, name), { recursive: true })
  }

  /** Put before a command, this runs it, and whatever it starts, in the group. */
  get enter(): readonly string[] {
    const files = this.#directories.map(directory => join(directory, 'cgroup.procs'))
    return ['/bin/sh', '-c', `for f in ${files.join(' ')}; do echo $$ >"$f"; done; exec "$@"`, 'sh']
  }

  get pids(): number[] {
    return readFileSync(join(this.#directory, 'cgroup.procs'), 'latin1').split('\n').filter(Boolean).map(Number)
  }

  async freeze(): Promise<void> {
    await this.#freeze('1')
  }

  async thaw(): Promise<void> {
    await this.#freeze('0')
  }

  /** Leaves it a share of one CPU; null for as much as it likes. @returns false where the kernel offers no such thing */
  starve(share: number | null): boolean {
    if (this.#cpu === null) return false
    const quota = share === null ? null : Math.round(share * period)
    if (cpuV1 !== null) writeFileSync(join(this.#cpu, 'cpu.cfs_quota_us'), String(quota ?? -1))
    else writeFileSync(join(this.#cpu, 'cpu.max'), `${quota ?? 'max'} ${period}`)
    return true
  }

  /** Once it is empty. */
  remove(): void {
    for (const directory of this.#directories) {
      try {
        rmdirSync(directory)
      } catch {
        // Something in it has yet to be reaped: an empty group more costs nothing.
      }
    }
  }

  get #directories(): string[] {
    return cpuV1 === null || this.#cpu === null ? [this.#directory] : [this.#directory, this.#cpu]
  }

  async #freeze(state: '0' | '1'): Promise<void> {
    writeFileSync(join(this.#directory, 'cgroup.freeze'), state)
    await until(`${this.#directory} to be ${state === '1' ? 'frozen' : 'thawed'}`, () =>
      readFileSync(join(this.#directory, 'cgroup.events'), 'latin1').includes(`frozen ${state}`),
    )
  }
}

function offersCpu(directory: string): string | null {
  try {
    writeFileSync(join(directory, '../cgroup.subtree_control'), '+cpu')
  } catch {
    return null
  }
  return existsSync(join(directory, 'cpu.max')) ? directory : null
}
