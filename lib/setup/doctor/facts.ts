import type { MissingProgram } from '../configure/commands.ts'

/** The input of the checks. A fact that cannot be read is null, or says why: the check then warns, and never passes. */
export interface Facts {
  readonly agent: AgentFacts | Unknown
  readonly unit: UnitFacts | Unknown
  /** The user that the agent runs as; null when unknown. */
  readonly agentUid: number | null
  readonly installed: readonly Installed[]
  /** The most connections that one client has open to the agent's HTTP port; null when it is no port of this machine. */
  readonly connections: number | null
  /** Where those files were looked for. */
  readonly consulDir: string
  readonly services: readonly (ServiceFacts | (Unknown & { readonly service: string }))[]
  /** This machine's setpriv can tie a process's life to its parent's. */
  readonly setpriv: boolean
  /** How machines are powered off from here; left out where they are not. */
  readonly power?: PowerFacts
}

/** power-off.json. */
export interface PowerFacts {
  readonly file: string
  /** Why it cannot be used; null when it can. */
  readonly problem: string | null
  /** Programs that it names and that cannot be run. */
  readonly absent: readonly string[]
  readonly afterMs: number
}

export interface Unknown {
  readonly unknown: string
  /** Consul did not answer: trying again may help. */
  readonly away?: boolean
}

export interface AgentFacts {
  readonly node: string
  readonly version: string
  /** null when the agent does not report it. */
  readonly leaveOnTerminate: boolean | null
  readonly skipLeaveOnInterrupt: boolean | null
  readonly localScripts: boolean | null
  readonly remoteScripts: boolean | null
  readonly gossip: { readonly probeMs: number; readonly suspicion: number } | null
  readonly acl: { readonly enabled: boolean; readonly policy: string } | null
  readonly encrypted: boolean | null
  /** The time-outs of `http_config`, ms; 0 for none. */
  readonly httpTimeouts: readonly { readonly name: string; readonly ms: number }[]
  /** `limits.request_limits` refuse what exceeds them. */
  readonly enforcesLimits: boolean
  /** Its limits.http_max_conns_per_client; null when it does not report it. */
  readonly mostConnections: number | null
  /** Ids of the services that it has. */
  readonly services: readonly string[]
}

export interface UnitFacts {
  /** null when the agent is in no unit of systemd's. */
  readonly name: string | null
  readonly killMode: string | null
}

/** One watchbill-<id>.json in Consul's directory. */
export interface Installed {
  readonly file: string
  /** Why it cannot be used; null when it can. */
  readonly problem: string | null
  readonly service: string
  readonly id: string
  readonly instance: string
  /** How many watches it holds: each is a connection to the agent. */
  readonly watches: number
  /** The guard's status before its first run, as the file has it. */
  readonly initialStatus: string | null
  readonly guardIntervalMs: number | null
  /** L of the definition, ms; null when the definition cannot be used. */
  readonly leaseMs: number | null
  readonly definitionProblem: string | null
  /** The file is what configure would write. */
  readonly current: boolean
  /** Files that the configuration names and that do not exist. */
  readonly missingPrograms: readonly string[]
  /** Commands of the definition whose program is not there, as far as this user's PATH tells. */
  readonly absent: readonly MissingProgram[]
  readonly state: StateFacts
  /** The directory of its partitions' control groups; null until it has started a partition. */
  readonly groups: { readonly directory: string | null; readonly why: string } | null
  /** The units of systemd in which its living shepherds stand. */
  readonly standIn: readonly string[]
  /** The limits of its definition that cannot be kept here, `<field>: <why>`; left out when it has none. */
  readonly unkept?: readonly string[]
  /** It is started all the same. */
  readonly bestEffort?: boolean
  /** Why this machine's limits do not allow the definition; null when they do, or there are none. */
  readonly refused?: string | null
  /** The program of the definition runs as another user than the one who starts it. */
  readonly setUid: string | null
  /** The user that its scheduler runs as, null for the agent's, and that user's id; null when it has no scheduler. */
  readonly scheduler: { readonly user: string | null; readonly uid: number | null } | null
  readonly token: TokenFacts
}

export interface StateFacts {
  readonly directory: string
  /** null when it is not there. */
  readonly uid: number | null
  /** Permission bits. */
  readonly mode: number
  readonly freeBytes: number
  readonly fileSystem: 'disk' | 'memory' | 'network'
}

export interface TokenFacts {
  /** The file that it comes from; null when none is named. */
  readonly file: string | null
  readonly uid: number | null
  readonly mode: number
  /** The permissions that it needs and lacks; null when unknown, with `problem`. */
  readonly missing: readonly string[] | null
  readonly problem: string | null
}

export interface ServiceFacts {
  readonly service: string
  readonly members: readonly { readonly instance: string; readonly digest: string }[]
  /** Instance -> the roster version in its member key. */
  readonly rosters: ReadonlyMap<string, number>
  /** Partitions whose keys newer agents refuse. */
  readonly refused: readonly string[]
}
