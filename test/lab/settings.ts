import type { Place } from './place.ts'

/** The settings that the lab gives an agent; a test lays its own over them. */
export type Settings = Record<string, unknown>

export interface AgentFacts {
  name: string
  data: string
  place: Place
  logLevel: string
  /** How many servers a server is to wait for; null for a client. */
  expect: number | null
  /** The gossip addresses of the others. */
  peers: string[]
  /** Consul's version, such as 1.8.7. */
  version: string
}

export function labSettings({ name, data, place, logLevel, expect, peers, version }: AgentFacts): Settings {
  const { address, ports, socket } = place
  return {
    node_name: name,
    datacenter: 'lab',
    data_dir: data,
    bind_addr: address,
    client_addr: '127.0.0.1',
    ...(socket !== null && { addresses: { http: `127.0.0.1 unix://${socket}` } }),
    ports: { ...ports, https: -1, grpc: -1, ...(hasGrpcTls(version) && { grpc_tls: -1 }) },
    retry_join: peers,
    // The default is 30 s, for an agent that is up before its server.
    retry_interval: '250ms',
    enable_local_script_checks: true,
    leave_on_terminate: false,
    skip_leave_on_interrupt: true,
    disable_update_check: true,
    performance: { raft_multiplier: 1 },
    log_level: logLevel,
    ...(expect !== null && { server: true, bootstrap_expect: expect }),
  }
}

/** Translates settings named as in 1.8.7 for the present version: newer versions have moved some, and dropped the old names. */
export function asNamedBy(version: string, { ca_file, cert_file, key_file, ...settings }: Settings): Settings {
  const { verify_incoming, verify_outgoing, acl, ...rest } = settings
  const defaults = given({ ca_file, cert_file, key_file, verify_incoming, verify_outgoing })
  const tls = Object.keys(defaults).length === 0 ? {} : isAtLeast(version, 12) ? { tls: { defaults } } : defaults
  return { ...rest, ...tls, ...(acl === undefined ? {} : { acl: aclAsNamedBy(version, acl as Settings) }) }
}

function aclAsNamedBy(version: string, acl: Settings): Settings {
  const { master, ...tokens } = (acl.tokens ?? {}) as Settings
  if (master === undefined || !isAtLeast(version, 11)) return acl
  return { ...acl, tokens: { ...tokens, initial_management: master } }
}

function given(settings: Settings): Settings {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined))
}

/** @param minor of 1 */
function isAtLeast(version: string, minor: number): boolean {
  const [major = 0, own = 0] = version.split('.').map(Number)
  return major > 1 || (major === 1 && own >= minor)
}

/** Since 1.14 a server opens a second gRPC port by default, the same on every server; older ones refuse the setting. */
function hasGrpcTls(version: string): boolean {
  return isAtLeast(version, 14)
}

/** The gossip of consul.d/fast-failover.json: a cut-off host is seen after about 2 s instead of 5. */
export const tunedGossip: Settings = {
  gossip_lan: {
    probe_interval: '500ms',
    probe_timeout: '250ms',
    suspicion_mult: 3,
    gossip_interval: '100ms',
    gossip_nodes: 4,
  },
}
