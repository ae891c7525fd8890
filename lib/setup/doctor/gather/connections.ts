/** Counts connections to the agent's HTTP port, from this machine's kernel. */
import { readFileSync } from 'node:fs'
import type { Address } from '../../../consul/address.ts'

/** null for a unix socket. */
export function openConnections({ origin, socketPath }: Address): number | null {
  return socketPath === null ? connectionsTo(Number(new URL(origin).port)) : null
}

/** The most connections that one client has open to a port of this machine: Consul limits them per client. */
export function connectionsTo(port: number): number {
  const counts = new Map<string, number>()
  for (const client of ['tcp', 'tcp6'].flatMap(name => clientsOf(table(name), port))) {
    counts.set(client, (counts.get(client) ?? 0) + 1)
  }
  return Math.max(0, ...counts.values())
}

/** Pure: the address of each client with an open connection to a port, from /proc/net/tcp. */
export function clientsOf(text: string, port: number): string[] {
  const end = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const rows = text.split('\n').map(line => line.trim().split(/\s+/))
  // Fields: number, local address, remote address, state (01: established).
  return rows.flatMap(([, local, remote, state]) =>
    state === '01' && local?.endsWith(end) ? [(remote ?? '').replace(/:.*/, '')] : [],
  )
}

function table(name: string): string {
  try {
    return readFileSync(`/proc/net/${name}`, 'latin1')
  } catch {
    return ''
  }
}
