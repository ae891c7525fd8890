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
  /** What the other agents reach it by. */
  readonly address: string
  readonly ports: Ports
  /** The unix socket by which we reach its HTTP API where its loopback is not ours; null where it is. */
  readonly socket: string | null
  /** Put before a command, this runs it there and becomes it: the pid stays. */
  readonly enter: readonly string[]
}

export async function loopback(withDns: boolean): Promise<Place> {
  const [http = 0, server = 0, serf_lan = 0, serf_wan = 0, dns = -1] = await freePorts(withDns ? 5 : 4)
  return { address: '127.0.0.1', ports: { http, server, serf_lan, serf_wan, dns }, socket: null, enter: [] }
}
