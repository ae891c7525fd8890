/**
 * Hosts on this machine. Each has its own network and mounts, held by a process that ends with ours, an address on a
 * common bridge, a boot id, and a control group with all its processes.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import type { Place } from '../lab/place.ts'
import { until } from '../lab/until.ts'
import { Group } from './group.ts'
import { mark } from './sweep.ts'

/** Each lab has its own network, so all labs may use the same addresses. */
const network = '10.99.0'
const ports = { http: 8500, server: 8300, serf_lan: 8301, serf_wan: -1, dns: -1 }
export const rpcPort = ports.server

const uptime = '/proc/uptime'

/** A bridge in its own network, and the hosts on it. */
export class Lan {
  readonly hosts: Host[] = []
  readonly #folder: string
  readonly #bridge: ChildProcess

  private constructor(folder: string, bridge: ChildProcess) {
    this.#folder = folder
    this.#bridge = bridge
  }

  /** @param folder for the hosts' own files; a shared mount, see lab.ts */
  static async start(folder: string): Promise<Lan> {
    const bridge = await keeper()
    await inside(bridge, 'ip link add bridge type bridge && ip link set bridge up && ip link set lo up')
    return new Lan(folder, bridge)
  }

  /** @param uid the user that the host's agent runs as; null for root */
  async add(name: string, uid: number | null = null): Promise<Host> {
    const namespaces = await keeper()
    const address = `${network}.${this.hosts.length + 1}`
    const host = new Host(name, address, namespaces, this, join(this.#folder, name))
    if (uid !== null) host.giveTo(uid)
    this.hosts.push(host)
    await inside(
      this.#bridge,
      `ip link add ${name} type veth peer name eth0 netns ${namespaces.pid} && ip link set ${name} master bridge up`,
    )
    await host.run(`ip link set lo up && ip link set eth0 up && ip address add ${address}/24 dev eth0`)
    await host.newBoot()
    return host
  }

  /** Takes a host off the bridge: its link stays up, but nobody answers. */
  async unplug({ name }: Host): Promise<void> {
    await inside(this.#bridge, `ip link set ${name} nomaster`)
  }

  async plug({ name }: Host): Promise<void> {
    await inside(this.#bridge, `ip link set ${name} master bridge`)
  }

  /** Call it when nothing runs on the hosts any more. */
  close(): void {
    for (const host of this.hosts) host.close()
    this.#bridge.kill('SIGKILL')
  }
}

export class Host {
  readonly name: string
  readonly address: string
  readonly group: Group
  readonly lan: Lan
  readonly #namespaces: ChildProcess
  readonly #folder: string
  #clock: ChildProcess | null = null

  constructor(name: string, address: string, namespaces: ChildProcess, lan: Lan, folder: string) {
    this.name = name
    this.address = address
    this.lan = lan
    this.group = new Group(`${mark}${process.pid}-${name}`)
    this.#namespaces = namespaces
    this.#folder = folder
    mkdirSync(folder, { recursive: true })
  }

  get place(): Place {
    const enter = [...this.group.enter, 'nsenter', `--target=${this.#namespaces.pid}`, '--net', '--mount', '--']
    return { address: this.address, ports, socket: join(this.#folder, 'http.sock'), enter }
  }

  /** Gives a user its control group and the folder for its agent's socket. */
  giveTo(uid: number): void {
    this.group.delegate(uid)
    chownSync(this.#folder, uid, uid)
  }

  /** Runs a shell line on the host's network and mounts. @throws execa's error when it fails */
  async run(line: string): Promise<void> {
    await inside(this.#namespaces, line)
  }

  /** Gives the host a new, unique boot id, and the machine's clock. */
  async newBoot(): Promise<void> {
    if (this.#clock !== null) await this.run(`umount ${uptime}`)
    this.#clock?.kill('SIGKILL')
    this.#clock = null
    const file = join(this.#folder, 'boot_id')
    writeFileSync(file, `${randomUUID()}\n`)
    const known = '/proc/sys/kernel/random/boot_id'
    await this.run(`! mountpoint -q ${known} || umount ${known}; mount --bind ${file} ${known}`)
  }

  /**
   * Shifts the boot clock that the host reads by so many seconds, until the next boot. Timers are not affected, as
   * after a suspend. The clock may also begin at zero, as in a time namespace.
   */
  async shiftClock(seconds: number): Promise<void> {
    const file = join(this.#folder, 'uptime')
    writeFileSync(file, '')
    const clock = ['perl', join(import.meta.dirname, 'uptime.pl'), file, String(seconds)]
    this.#clock = spawn('setpriv', ['--pdeathsig', 'KILL', ...clock], { stdio: 'ignore', detached: true })
    this.#clock.unref()
    await until('a clock', () => readFileSync(file, 'latin1').endsWith('\n'), { every: 5 })
    await this.run(`mount --bind ${file} ${uptime}`)
  }

  close(): void {
    this.#clock?.kill('SIGKILL')
    this.#namespaces.kill('SIGKILL')
    this.group.remove()
  }
}

/** A process that only holds a network and mounts, and ends with this one. */
async function keeper(): Promise<ChildProcess> {
  const unshare = ['unshare', '--net', '--mount', '--propagation', 'slave', 'sleep', 'infinity']
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...unshare], { stdio: 'ignore', detached: true })
  child.unref()
  await once(child, 'spawn')
  await until('new namespaces', () => readFileSync(`/proc/${child.pid}/comm`, 'latin1') === 'sleep\n', { every: 5 })
  return child
}

async function inside({ pid }: ChildProcess, line: string): Promise<true> {
  await execa('nsenter', [`--target=${pid}`, '--net', '--mount', '--', '/bin/sh', '-c', line], { stdin: 'ignore' })
  return true
}
