/**
 * A service as its definition file describes it, with every default filled in and every duration in milliseconds.
 * Plain JSON: it is stored in the state directory, compared by its digest, and printed as it is.
 */
export type Definition = {
  /** The Consul service name. */
  readonly name: string
  /** The Consul service id. */
  readonly id: string
  /** What people call it; left out when it has none, so that the digest stays what it was. */
  readonly title?: string
  readonly tags: readonly string[]
  readonly weight: number
  /** The most partitions this instance takes; null when it takes any number. */
  readonly maxPartitions: number | null
  /** The partition ids, in the order of the file; none when they come from a source. */
  readonly partitions: readonly string[]
  /** Where the partitions are fetched from; null when they stand in the definition. */
  readonly source: Source | null
  /** What a process is told when the document of its partition changed; null for nothing. */
  readonly onChange: 'restart' | Signal | null
  /** What it took from the environment when `configure` ran. */
  readonly variables: Readonly<Record<string, string>>
  readonly run: {
    /** One process for each partition, or one for all that an instance has. */
    readonly per: Per
    /** Empty where the document chooses. */
    readonly command: readonly string[]
    /** The document of a partition names one of several commands; left out where there is one for all. */
    readonly choose?: Choice
    /** The working directory; null means "/". */
    readonly cwd: string | null
    readonly env: Readonly<Record<string, string>>
    readonly restart: Restart
  }
  readonly stop: {
    readonly signal: Signal
    /** G, in ms. */
    readonly graceMs: number
    /** Run first to stop a process; null when the signal alone does it. */
    readonly command: readonly string[] | null
    /** Says by exit 0 that what lives outside of its processes is gone; left out when the processes tell it all. */
    readonly gone?: readonly string[]
  }
  /** So many processes may be on their way up at a time; left out for any number, so that the digest stays what it was. */
  readonly startsAtOnce?: number
  readonly checks: readonly CheckDefinition[]
  /** A process counts as running only once it is ready: `confirm`, or `check:<id>`. Missing: as soon as it runs. */
  readonly ready?: string
  /** The command of each event that has one. */
  readonly hooks: Readonly<Partial<Record<HookEvent, readonly string[]>>>
  /** Each partition that runs stands in Consul's catalog under this port; null for not at all. */
  readonly register: { readonly port: number } | null
  readonly guardIntervalMs: number
  /** L, in ms. */
  readonly leaseMs: number
}

/** It is printed, and stands in Consul, where anybody may have written it. */
export function isTitle(value: unknown): value is string {
  if (typeof value !== 'string' || value.trim() === '' || !value.isWellFormed()) return false
  return [...value].length <= 200 && !/[\p{Cc}\u2028\u2029]/u.test(value)
}

/** Commands by name; a partition's document holds the name where the JSON pointer leads. */
export type Choice = {
  readonly pointer: string
  readonly of: Readonly<Record<string, readonly string[]>>
}

/** Every command that the process of a partition may have. */
export function commandsOf({ command, choose }: Definition['run']): (readonly string[])[] {
  return choose === undefined ? [command] : Object.values(choose.of)
}

export const sourceKinds = ['file', 'http', 'command', 'module'] as const

/** Where partitions are fetched from. Every path is absolute. */
export type SourceFrom =
  | { readonly kind: 'file'; readonly path: string }
  | {
      readonly kind: 'http'
      readonly url: string
      readonly method: 'GET' | 'POST' | 'PUT'
      /** A value, or the file that holds it. */
      readonly headers: Readonly<Record<string, string | { readonly file: string }>>
      readonly body: string | null
      readonly tls: Readonly<Record<'ca' | 'cert' | 'key' | 'serverName', string | null>>
    }
  | { readonly kind: 'command'; readonly command: readonly string[] }
  /** What the module gets, any JSON; left out when the definition says nothing. */
  | { readonly kind: 'module'; readonly path: string; readonly config?: unknown }

export type Source = {
  readonly from: SourceFrom
  readonly format: 'json' | 'lines'
  /** JSON pointers: to the array, and to the id in an item that is an object. */
  readonly items: string
  readonly id: string
  /** Null for once, and when somebody asks for it. */
  readonly everyMs: number | null
  /** At most so much earlier than that. */
  readonly jitterMs: number
  /** Of one fetch. */
  readonly timeoutMs: number
  /** Until the first retry. */
  readonly retryMs: number
  readonly giveUpAfterMs: number
  /** Which part of a set larger than 10 may be dropped at once, 0 to 1. */
  readonly maxDrop: number
  /** What is no longer in it stays a partition; left out where it goes, so that the digest stays what it was. */
  readonly removes?: false
  /** What the instance that fetches does after `giveUpAfterMs`; left out for going on. */
  readonly onGiveUp?: 'drain'
}

/** The most partitions that a definition may have. */
export const mostIds = 100_000

/** A document has to fit into a key of Consul's, 512 KiB in base64, with what else stands there. In bytes, as JSON. */
export const mostDocument = 256 * 1024

/** What one process is for. */
export const pers = ['partition', 'instance'] as const
export type Per = (typeof pers)[number]

export const restarts = ['always', 'on-failure', 'never'] as const
export type Restart = (typeof restarts)[number]

/**
 * What Linux can send to end a process. Signals that pause or resume one are left out: a process that is stopped by
 * SIGSTOP is still there when its lease is over.
 */
export const signals = [
  'SIGTERM',
  'SIGINT',
  'SIGQUIT',
  'SIGHUP',
  'SIGUSR1',
  'SIGUSR2',
  'SIGWINCH',
  'SIGABRT',
  'SIGALRM',
  'SIGVTALRM',
  'SIGPROF',
  'SIGPIPE',
  'SIGIO',
  'SIGPWR',
  'SIGXCPU',
  'SIGKILL',
] as const
export type Signal = (typeof signals)[number]

/** A health check of every partition. Durations in ms. */
export type CheckDefinition = {
  readonly id: string
  readonly name: string
  readonly notes: string
  readonly tags: readonly string[]
  /** The process reports by itself at least this often; null for a check that is a command. */
  readonly ttlMs: number | null
  /** Null for a check that the process reports by itself. */
  readonly command: readonly string[] | null
  readonly intervalMs: number
  readonly timeoutMs: number
  /** So many failures in a row make it critical. */
  readonly failuresBeforeCritical: number
  /** A status must have lasted so long before anything is done about it. */
  readonly forMs: number
  /** For how long an instance that gave a partition up because of this check does not take it back. */
  readonly coolDownMs: number
  /** So often within an hour "release" may move one partition; then it stays where it is. */
  readonly movesPerHour: number
  readonly onFailure: readonly Reaction[]
  readonly onWarning: readonly Reaction[]
  readonly onPass: readonly Reaction[]
}

/** What can be done about a check besides running a command. */
export const builtIns = ['restart', 'release', 'drain'] as const
export type BuiltIn = (typeof builtIns)[number]
export type Reaction = BuiltIn | readonly string[]

/** What can happen to a partition, beside what its checks say; docs/checks-and-hooks.md says when. */
export const partitionEvents = [
  'acquired',
  'started',
  'exited',
  'failed',
  'releasing',
  'released',
  'stopFailed',
  'changed',
] as const

/** What hooks can be told of: that, and what can happen to an instance. */
export const hookEvents = [
  ...partitionEvents,
  'joined',
  'left',
  'lost',
  'rebalanced',
  'isolated',
  'rejoined',
  'sourceFailed',
] as const
export type HookEvent = (typeof hookEvents)[number]
