/** Where an agent of a lab runs: on this machine's loopback, unless the lab has hosts of its own. */
import { freePorts } from './ports.ts'

/** -1 is Consul's word for "not served". */
export interface Ports {
  readonly http: number
  readonly server: number
  readonly serf_lan: number
  readonly serf_wan: number
  readonly dns: number
}

export interface Place {
  /** The address at which the other agents reach it. */
  readonly address: string
  readonly ports: Ports
  /** The unix socket for its HTTP API when it is on another network; null when it shares our loopback. */
  readonly socket: string | null
  /** Words to put before a command so that it runs there, with the same pid. */
  readonly enter: readonly string[]
}

export async function loopback(withDns: boolean): Promise<Place> {
  const [http = 0, server = 0, serf_lan = 0, serf_wan = 0, dns = -1] = await freePorts(withDns ? 5 : 4)
  return { address: '127.0.0.1', ports: { http, server, serf_lan, serf_wan, dns }, socket: null, enter: [] }
}
