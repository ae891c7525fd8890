/** A systemd of its own in namespaces; it sees this machine's files, and can write only its folder. See boot.sh. */
import { type ChildProcess, spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import { reason } from '../../lib/base/errors.ts'
import { until } from '../lab/until.ts'

const checkout = join(import.meta.dirname, '../..')
/** Not below /tmp: a unit with PrivateTmp would not see it. */
const cache = join(checkout, '.cache')
/** What units need of Debian's own, none of which is there. */
const targets: Readonly<Record<string, string>> = Object.fromEntries(
  ['lab', 'sysinit', 'basic', 'shutdown', 'network-online'].map(name => [`${name}.target`, '[Unit]\n']),
)

/** Whether systemd runs by control groups of version 2 alone, or has one of version 1 beside it. */
export type Hierarchy = 'unified' | 'hybrid'

export class Machine {
  /** Seen from inside under the same path. */
  readonly folder: string
  readonly #systemd: ChildProcess
  readonly #pid: number

  constructor(folder: string, systemd: ChildProcess, pid: number) {
    this.folder = folder
    this.#systemd = systemd
    this.#pid = pid
  }

  /** Put before a command, this runs it inside. */
  get enter(): readonly string[] {
    return ['nsenter', `--target=${this.#pid}`, '--mount', '--pid', '--uts', '--ipc', '--net', '--cgroup', '--']
  }

  /** @returns what it prints. @throws execa's error when it does not exit 0 */
  async run(...command: string[]): Promise<string> {
    const [file = '', ...args] = [...this.enter, ...command]
    return (await execa(file, args, { stdin: 'ignore', cwd: '/' })).stdout
  }

  /** Writes a file that only it has, such as a unit. */
  async write(path: string, text: string): Promise<void> {
    await this.run('/bin/sh', '-c', 'printf %s "$2" >"$1"', 'sh', path, text)
  }

  /** Ends it, and everything in it. */
  async close(): Promise<void> {
    const groups = groupsOf(this.folder)
    writeFileSync(join(groups[0] ?? '', 'cgroup.kill'), '1')
    const { exitCode, signalCode } = this.#systemd
    if (exitCode === null && signalCode === null) await new Promise(resolve => this.#systemd.once('exit', resolve))
    await until('its control groups to be gone', () => groups.every(removeTree))
    if (process.env.KEEP_LAB) console.error(`the files of a systemd are kept in ${this.folder}`)
    else rmSync(this.folder, { recursive: true, force: true })
  }
}

function groupsOf(folder: string): string[] {
  const file = join(folder, 'group')
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split(' ') : []
}

function removeTree(group: string): boolean {
  if (!existsSync(group)) return true
  for (const entry of readdirSync(group, { withFileTypes: true }))
    if (entry.isDirectory()) removeTree(join(group, entry.name))
  try {
    rmdirSync(group)
    return true
  } catch {
    return false // somebody in it has yet to be reaped
  }
}

/** What its /etc/systemd/system holds: by path, as text. `lab.target` is started, and so is what it wants. */
export type Units = (folder: string) => Readonly<Record<string, string>>

/** @returns why none can be booted here, where that is so */
export async function boot(how: Hierarchy, units: Units): Promise<Machine | string> {
  if (process.getuid?.() !== 0) return 'needs root'
  if (!existsSync('/lib/systemd/systemd')) return 'needs systemd'
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, 'systemd-'))
  for (const [path, text] of Object.entries({ ...targets, ...units(folder) })) {
    mkdirSync(dirname(join(folder, 'units', path)), { recursive: true })
    writeFileSync(join(folder, 'units', path), text)
  }
  const script = join(import.meta.dirname, 'boot.sh')
  const child = spawn('/bin/sh', [script, folder, how, checkout, dirname(process.execPath)], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', text => {
    said += text
  })
  const pid = await until('systemd to be pid 1', () => (child.exitCode === null ? firstOf(child.pid) : 0), {
    deadline: 20_000,
  })
  if (pid === 0) return gaveUp(folder, said)
  const machine = new Machine(folder, child, pid)
  try {
    await until(
      'its lab.target',
      async see => see(await machine.run('systemctl', 'is-active', 'lab.target')) === 'active',
      {
        deadline: 20_000,
      },
    )
    return machine
  } catch (error) {
    await machine.close()
    return `systemd cannot be booted here: ${said.trim() || reason(error)}`
  }
}

function gaveUp(folder: string, said: string): string {
  for (const group of groupsOf(folder)) removeTree(group)
  rmSync(folder, { recursive: true, force: true })
  return `systemd cannot be booted here: ${said.trim() || 'boot.sh failed'}`
}

/** The child of `unshare`, once it is systemd. */
function firstOf(unshare = 0): number | null {
  const pid = Number(readFileSync(`/proc/${unshare}/task/${unshare}/children`, 'utf8').trim())
  return pid > 0 && readFileSync(`/proc/${pid}/comm`, 'utf8') === 'systemd\n' ? pid : null
}
