/** Finds the agent's process, which listens on Consul's HTTP address, and its systemd unit. */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { execa } from 'execa'
import { type Address, addressFrom } from '../../../consul/address.ts'
import type { UnitFacts, Unknown } from '../facts.ts'

/** null when it is on another machine, or this user may not see it. */
export function agentPid({ origin, socketPath }: Address): number | null {
  const inodes = socketPath === null ? tcpInodes(Number(new URL(origin).port)) : unixInodes(socketPath)
  const links = new Set(inodes.map(inode => `socket:[${inode}]`))
  if (links.size === 0) return null
  const pids = readdirSync('/proc').filter(name => /^\d+$/.test(name))
  const found = pids.find(pid => descriptors(pid).some(link => links.has(link)))
  return found === undefined ? null : Number(found)
}

/** Field 2 is the local address, 4 the state (0A: listening), 10 the inode. */
function tcpInodes(port: number): string[] {
  const end = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const lines = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap(file => read(file).split('\n').map(fieldsOf))
  return lines.flatMap(fields => (fields[1]?.endsWith(end) && fields[3] === '0A' ? [fields[9] as string] : []))
}

function unixInodes(path: string): string[] {
  return read('/proc/net/unix')
    .split('\n')
    .map(fieldsOf)
    .flatMap(fields => (fields[7] === path ? [fields[6] as string] : []))
}

function fieldsOf(line: string): string[] {
  return line.trim().split(/\s+/)
}

function descriptors(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap(name => link(`/proc/${pid}/fd/${name}`))
  } catch {
    return [] // another user's, or gone
  }
}

function link(file: string): string[] {
  try {
    return [readlinkSync(file)]
  } catch {
    return []
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

export function userOf(pid: number): number | null {
  return statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid ?? null
}

/** The agent's environment variables for the connection to Consul, which its handlers inherit; null when not readable. */
export function consulEnvironment(pid: number): Record<string, string> | null {
  const text = read(`/proc/${pid}/environ`)
  if (text === '') return null
  const pairs = text.split('\0').map(pair => [pair.split('=', 1)[0] ?? '', pair.slice(pair.indexOf('=') + 1)])
  return Object.fromEntries(pairs.filter(([name]) => name?.startsWith('CONSUL_')))
}

export async function unitFacts(pid: number | null): Promise<UnitFacts | Unknown> {
  if (pid === null) return { unknown: 'its process cannot be seen; run doctor as root, on the machine of the agent' }
  const name = unitIn(read(`/proc/${pid}/cgroup`))
  return { name, killMode: name === null ? null : await killModeOf(name) }
}

/** Whether the agent is known to be outside of any unit whose restart would kill the processes that it has started. */
export async function unitFits(): Promise<boolean> {
  const pid = agentPid(addressFrom(process.env))
  if (pid === null) return false
  if (userOf(pid) === 0) return true // then it asks systemd for scopes outside of its unit
  const unit = await unitFacts(pid)
  return !('unknown' in unit) && (unit.name === null || unit.killMode === 'process')
}

/** Pure: the innermost service of a /proc/PID/cgroup. */
export function unitIn(cgroup: string): string | null {
  const parts = cgroup.split('\n').flatMap(line => line.split(':').slice(2).join(':').split('/'))
  return parts.findLast(part => part.endsWith('.service')) ?? null
}

/** The control group of version 2, where that is mounted: systemd kills by it. */
export function unitsOf(pids: readonly number[]): string[] {
  const groups = pids.map(pid => read(`/proc/${pid}/cgroup`))
  return [...new Set(groups.flatMap(text => unitIn(/^0::.*$/m.exec(text)?.[0] ?? text) ?? []))]
}

async function killModeOf(unit: string): Promise<string | null> {
  const { stdout, failed } = await execa('systemctl', ['show', '-p', 'KillMode', '--value', unit], {
    reject: false,
    stdin: 'ignore',
    timeout: 5000,
  })
  return failed || !stdout ? null : stdout.trim()
}

export async function hasSetpriv(): Promise<boolean> {
  const { failed } = await execa('setpriv', ['--pdeathsig', 'KILL', 'true'], { reject: false, stdin: 'ignore' })
  return !failed
}
