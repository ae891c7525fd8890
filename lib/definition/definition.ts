import type { Assign } from './assign.ts'
import type { CheckDefinition } from './checks.ts'
import type { Limits } from './limits.ts'
import type { Proposed } from './rules.ts'

/**
 * A service as its definition file describes it, with every default filled in and every duration in milliseconds.
 * Plain JSON: it is stored in the state directory, compared by its digest, and printed as it is.
 */
export type Definition = {
  /** It only renders files: no session, no member, no partitions. Left out for a member, so that the digest stays the same. */
  readonly role?: 'observer'
  /** The Consul service name. */
  readonly name: string
  /** The Consul service id. */
  readonly id: string
  /** A name for people; left out when there is none, so that the digest stays the same. */
  readonly title?: string
  readonly tags: readonly string[]
  readonly weight: number
  /** The most partitions this instance takes; null when it takes any number. */
  readonly maxPartitions: number | null
  /** The most that its partitions may cost together; left out for any cost, so that the digest stays the same. */
  readonly maxCost?: number
  /** What this instance offers for placement; left out when that is nothing, so that the digest stays the same. */
  readonly meta?: Readonly<Record<string, string>>
  /** The rules of placement that it proposes; left out when it proposes none, so that the digest stays the same. */
  readonly placement?: Proposed
  /** The scheduler that decides who has what; left out when there is none, so that the digest stays the same. */
  readonly assign?: Assign
  /** The partition ids, in the order of the file; none when they come from a source. */
  readonly partitions: readonly string[]
  /** How many partitions there are, as a share of what the members have; left out when the definition lists them. */
  readonly share?: Share
  /** Where the partitions are fetched from; null when the definition lists them. */
  readonly source: Source | null
  /** What the process gets when the document of its partition changed; null for nothing. */
  readonly onChange: 'restart' | Signal | null
  /** The environment variables that the definition uses, as they were when `configure` ran. */
  readonly variables: Readonly<Record<string, string>>
  readonly run: {
    /** One process for each partition, or one process for all partitions of an instance. */
    readonly per: Per
    /** Empty when the document chooses the command. */
    readonly command: readonly string[]
    /** Several commands, of which a partition's document names one; left out when there is one command for all. */
    readonly choose?: Choice
    /** The working directory; null means "/". */
    readonly cwd: string | null
    readonly env: Readonly<Record<string, string>>
    readonly restart: Restart
    /** What its processes may be and use; left out when nothing is limited, so that the digest stays the same. */
    readonly limits?: Limits
  }
  readonly stop: {
    readonly signal: Signal
    /** G: the time between the stop signal and SIGKILL, ms. */
    readonly graceMs: number
    /** Run first to stop a process; null when the signal alone does it. */
    readonly command: readonly string[] | null
    /**
     * Exits 0 once the work outside the processes is gone, such as a container; left out when there is no such work.
     */
    readonly gone?: readonly string[]
  }
  /**
   * How many processes may be starting at the same time; left out for any number, so that the digest stays the same.
   */
  readonly startsAtOnce?: number
  readonly checks: readonly CheckDefinition[]
  /** Where figures come from and go to; left out when neither is said, so that the digest stays the same. */
  readonly metrics?: {
    /** Read for what a process says of itself, with its placeholders. */
    readonly url?: string
    /** Written for Prometheus' node_exporter. */
    readonly textfile?: string
  }
  /** When a process counts as ready: `confirm`, or `check:<id>`. Left out: as soon as it runs. */
  readonly ready?: string
  /** The commands of hooks, by event. */
  readonly hooks: Readonly<Partial<Record<HookEvent, readonly string[]>>>
  /** What templates find as `variables`; left out when there are none, so that the digest stays the same. */
  readonly templateVariables?: Readonly<Record<string, string | number | boolean>>
  /** The files that are rendered on this machine; left out for none, so that the digest stays the same. */
  readonly render?: readonly Render[]
  /** Registers each running partition in Consul's catalog with this port; null for none. */
  readonly register: { readonly port: number } | null
  /** How long others leave alone what this instance held when it disappeared, ms; left out for no longer than W. */
  readonly waitMs?: number
  /** How many partitions move for the sake of balance at a time; left out for any number. */
  readonly movesAtOnce?: number
  /** False: what ran elsewhere while its member was away stays there; left out when it goes back. */
  readonly back?: false
  /** When the service freezes by itself; left out for never. */
  readonly freeze?: FreezeRule
  /** What happens while its machine is cut off; left out where everything is stopped. */
  readonly whenIsolated?: 'keep' | StandIn
  /** What this machine had is started after a boot also while it is cut off; left out when it is not. */
  readonly onBoot?: 'keep'
  /** Which versions may be rolled out; left out when its program has none. */
  readonly versions?: Versions
  readonly guardIntervalMs: number
  /** L: how long processes may run after the last proof that the locks are held, ms. */
  readonly leaseMs: number
}

/** A file, or one for each partition, that is made from a template. Paths are absolute. */
export type Render = {
  readonly template: string
  /** With `{partition}` in its name for one file each. */
  readonly dest: string
  readonly each?: 'partition'
  readonly mode: number
  /** As chown takes it. */
  readonly owner?: string
  /** Decides whether the candidate, `{file}`, may take the place of the file. */
  readonly check?: readonly string[]
  /** Run after files have changed. */
  readonly command?: readonly string[]
  /** How many earlier versions are kept. */
  readonly backups: number
  /** A pattern: files like it that were rendered once are removed when they are no longer wanted. */
  readonly clean?: string
  /** A symbolic link at `dest` is followed. */
  readonly follow?: true
  /** How the file keeps with the starts and stops of partitions on this machine. */
  readonly order?: 'beforeStart' | 'afterStop'
}

/** A process that runs while its instance is cut off, and nothing else of it does. */
export type StandIn = {
  readonly run: readonly string[]
  /** Only while the agent sees at least, or at most, so many members of its data center alive, itself among them. */
  readonly atLeast?: number
  readonly atMost?: number
}

/** What a lock says of it: a command line never stands in Consul. */
export type WhenIsolated = 'keep' | 'run'

/** A number of partitions: so many per cent of what the members have together, rounded up. */
export type Share = {
  readonly percent: number
  /** `weight`, or `meta.<name>`: the sum of these numbers of all members. */
  readonly of: string
  /** How long another number must have been the right one before the set changes, ms. */
  readonly settleMs: number
}

/** The service freezes when more than this share, 0 to 1, of its instances is lost. */
export type FreezeRule = {
  readonly lost: number
  /** How long enough of them must be back before the freeze ends, ms. */
  readonly settleMs: number
}

/** Which versions of the program may run, and how an instance gets ready for one. */
export type Versions = {
  /** A regular expression without backtracking: see base/pattern.ts. */
  readonly pattern: string
  /** In force until one is rolled out; left out for none. */
  readonly first?: string
  /** Commands; left out when nothing is to be prepared or cleaned. */
  readonly prepare?: readonly string[]
  readonly clean?: readonly string[]
  /** How many prepared versions that nobody uses are kept. */
  readonly keep: number
  /** How long one run of a command may take, ms. */
  readonly timeoutMs: number
}

/** A title is printed, and comes from Consul, where anybody may have written it. */
export function isTitle(value: unknown): value is string {
  if (typeof value !== 'string' || value.trim() === '' || !value.isWellFormed()) return false
  return [...value].length <= 200 && !/[\p{Cc}\u2028\u2029]/u.test(value)
}

/** Commands by name. The JSON pointer leads to the name in a partition's document. */
export type Choice = {
  readonly pointer: string
  readonly of: Readonly<Record<string, readonly string[]>>
}

/** Every command that a partition's process may have. */
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
  /** `config` is passed to the module: any JSON, left out when the definition has none. */
  | { readonly kind: 'module'; readonly path: string; readonly config?: unknown }

export type Source = {
  readonly from: SourceFrom
  readonly format: 'json' | 'lines'
  /** JSON pointers: `items` to the array, `id` to the id inside an item that is an object. */
  readonly items: string
  readonly id: string
  /** The interval between fetches; null to fetch once, and then only on request. */
  readonly everyMs: number | null
  /** A fetch may come at most this much earlier, by chance. */
  readonly jitterMs: number
  /** The time limit of one fetch. */
  readonly timeoutMs: number
  /** The time until the first retry. */
  readonly retryMs: number
  readonly giveUpAfterMs: number
  /** The largest share, 0 to 1, of a set of more than 10 that one fetch may remove. */
  readonly maxDrop: number
  /**
   * False: a partition that the source no longer has stays. Left out when such partitions go, so that the digest stays
   * the same.
   */
  readonly removes?: false
  /** What the fetching instance does after `giveUpAfterMs`; left out when it goes on. */
  readonly onGiveUp?: 'drain'
}

/** The most partitions that a definition may have. */
export const mostIds = 100_000

/** The largest document as JSON, in bytes. Consul takes 512 KiB of base64 per key, which holds other fields too. */
export const mostDocument = 256 * 1024

/** Whether one process serves one partition, or all partitions of the instance. */
export const pers = ['partition', 'instance'] as const
export type Per = (typeof pers)[number]

export const restarts = ['always', 'on-failure', 'never'] as const
export type Restart = (typeof restarts)[number]

/**
 * The signals that may end a process. Signals that pause or resume a process are left out: a process stopped by SIGSTOP
 * still exists when its lease is over.
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

/** The events of a partition, besides those of its checks; docs/checks-and-hooks.md describes them. */
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

/** All events that hooks can react to: those of partitions, and those of an instance. */
export const hookEvents = [
  ...partitionEvents,
  'joined',
  'left',
  'lost',
  'rebalanced',
  'isolated',
  'rejoined',
  'sourceFailed',
  'schedulerFailed',
] as const
export type HookEvent = (typeof hookEvents)[number]
