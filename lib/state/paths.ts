/** The state directory of one instance: the file of each fact, and which instance it belongs to. */
import { existsSync } from 'node:fs'
import { decode, encode } from '../base/names.ts'
import { directoriesIn } from './facts.ts'

/** The files of one instance. Every path is absolute. */
export interface InstanceFiles {
  readonly directory: string
  readonly identity: string
  readonly session: string
  /** A session that was created on a node of another name, and that name: see act/misplaced.ts. */
  readonly misplaced: string
  /** When another program last took part under this instance's name, and how often: see act/own-troubles.ts. */
  readonly twin: string
  readonly lease: string
  /** Held by a program while it changes from when leases count: see state/lease-lock.ts. */
  readonly leaseLock: string
  readonly definition: string
  /** Digest of the definition whose partitions this instance last wrote. */
  readonly defined: string
  /** Digest of the definition in which a document last had no command: see act/choose.ts. */
  readonly chosen: string
  /** The change that its definition would make, and that nobody has applied: see act/proposal.ts. */
  readonly proposal: string
  /** Tells whether that change must be computed again. */
  readonly proposed: string
  /** The last good settings. */
  readonly settings: string
  /** The last good rules of placement. */
  readonly placement: string
  readonly free: string
  /** Since when something has stood that has to stand for a while: see look/stood.ts. */
  readonly stood: string
  /** The longest L and G that were seen, `<L> <G>` in ms: see keys/terms.ts. */
  readonly terms: string
  /** The locks that were last seen held: see look/seen-held.ts. */
  readonly seenHeld: string
  /** When the next takeover wait of this instance ends, boot-clock ms. */
  readonly due: string
  readonly looked: string
  /** The result of the last look, when it may stand for the next ones: see look/unchanged.ts. */
  readonly rest: string
  /** The members at the last look, one instance per line. */
  readonly members: string
  /** Consul's index up to which the guard knows that these members are unchanged. */
  readonly memberIndex: string
  readonly left: string
  readonly report: string
  /** Reactions that are not done yet, one file each: see lib/hooks/queue.ts. */
  readonly events: string
  /** The last state of the instance that hooks were told: see lib/hooks/instance.ts. */
  readonly told: string
  /** When the next reaction is due, boot-clock ms. */
  readonly eventsDue: string
  /** When a drain that a check asked for ends and began, and why: `<boot id> <boot-clock ms> <boot-clock ms> <why>`. */
  readonly drained: string
  /** Why its worker takes no more partitions, while the instance is drained for that. */
  readonly closed: string
  /** When the set is fetched next, `<boot-clock ms> <stamp of the definition that this holds for>`. */
  readonly sourceDue: string
  /** The outcome of the last fetch: see lib/state/fetches.ts. */
  readonly source: string
  /** The directory for the lock of a running fetch. */
  readonly sourceLock: string
  /** Consul's index of the last document change that was passed on here. */
  readonly documents: string
  /** When the next check of a partition is due, boot-clock ms. */
  readonly checksDue: string
  /** The directory for the lock of a running round of checks. */
  readonly checksLock: string
  readonly log: string
  /** The rings: see lib/state/figures/rings.ts. */
  readonly figures: string
  /** The ring of the instance itself. */
  readonly instanceRing: string
  /** What handlers leave for the tick to count, and what that came to so far. */
  readonly notes: string
  readonly totals: string
  /** The last failure of the figures that was logged. */
  readonly figuresProblem: string
  /** The parent of the partitions' control groups, and why that one: see process/containment/groups.ts. */
  readonly groups: string
  readonly clock: ClockFiles
  readonly partitions: string
  /** The files of the one process of a definition with `"per": "instance"`. */
  readonly worker: WorkerFiles
  /** The last stdin of a handler. */
  readonly seen: (handler: string) => string
  readonly partition: (id: string) => PartitionFiles
}

/** The files of the clock that watches the leases for the instance's shepherds: see process/shepherd/clock.sh. */
export interface ClockFiles {
  readonly directory: string
  /** Only the clock holds it open for writing, so that its readers learn of the clock's end. */
  readonly pipe: string
  /** `<pid> <start time> <when it looks next> <lease>`, boot-clock ms. */
  readonly promise: string
  /** The clock that was started last, `<pid> <start time>`. */
  readonly launched: string
  /** When a guard last looked after it, boot-clock ms. */
  readonly tended: string
}

/** The files of one partition. The shepherd reads and writes some of them: see process/shepherd/shepherd.sh. */
export interface PartitionFiles {
  readonly directory: string
  /** Random id of the acquisition, written before its transaction. Without this file nothing may be started. */
  readonly acquisition: string
  /** The id of an acquisition that is being given back. */
  readonly releasing: string
  /** The lock's ModifyIndex, written once the transaction is done. */
  readonly index: string
  readonly token: string
  /** `<from> <own>`, see state/lease.ts */
  readonly lease: string
  /** `<L> <G>` of the acquisition, ms. */
  readonly terms: string
  /** The shepherd that was started last, until it has written its own pid: see machine/launch.sh. */
  readonly launched: string
  readonly shepherd: string
  readonly process: string
  /** The number that all descendants of the process carry: see machine/marks.ts. */
  readonly mark: string
  /** Path of its control group; missing when it has none. */
  readonly group: string
  readonly status: string
  readonly exit: string
  readonly restarts: string
  readonly output: string
  /** Its document, one line of JSON; missing when it has none. */
  readonly document: string
  /** The ModifyIndex of the key that the document was read from. */
  readonly documentIndex: string
  /** Exists while a requested restart is not done; the text says why. */
  readonly restart: string
  /** The registration that Consul's agent got: see lib/checks/catalog.ts. */
  readonly registered: string
  /** One directory per check: see lib/checks/state.ts. */
  readonly checks: string
  /** Exists once the partition is ready, when the definition has `ready`: see lib/state/ready.ts. */
  readonly ready: string
  /** Why the partition cannot be moved although a check demands it; missing otherwise. */
  readonly stays: string
  /** The last state of the partition that hooks were told: see lib/hooks/lifecycle.ts. */
  readonly told: string
  /** What the process says of itself: the file of WATCHBILL_METRICS, which it replaces. */
  readonly metrics: string
  /** The lines in it that could not be read, as they were logged. */
  readonly metricsBad: string
  /** How long the last hand-over from here, and the last takeover by this instance, took, ms. */
  readonly handOver: string
  readonly takeover: string
  /** Its line for the worker. Exists from before the hand-over until the worker has stopped it, or is gone. */
  readonly handed: string
  /** The worker must stop the partition. */
  readonly asked: string
}

/**
 * The files of the worker: the one process that is told which partitions it has. It has a shepherd like any process, so
 * its directory has the files of a partition, and is next to theirs; no partition can have its name.
 */
export interface WorkerFiles extends PartitionFiles {
  /** The directory of its instance. */
  readonly instance: string
  /** The partitions that the worker must have, one line each: see base/worker-line.ts. */
  readonly assignment: string
  /** Exists from before the assignment is replaced until the worker was told so. */
  readonly changed: string
  /** Partitions taken back that the worker has not confirmed yet, one line each. */
  readonly stopping: string
  /** Partitions that the worker has stopped, one line each: see state/worker-confirmations.ts. */
  readonly confirmations: string
  /** How many bytes of the confirmations were processed. */
  readonly read: string
  /** What the worker says of itself and of its partitions: see state/worker-said.ts. */
  readonly report: string
  /** Held by a program while it changes any of these files except the report. */
  readonly lock: string
}

export const defaultState = '/var/lib/watchbill'

export function stateRoot(): string {
  return process.env.WATCHBILL_STATE || defaultState
}

export function instanceFiles(root: string, instance: string): InstanceFiles {
  const directory = `${root}/${encode(instance)}`
  const at = (name: string) => `${directory}/${name}`
  return {
    directory,
    identity: at('instance'),
    session: at('session'),
    misplaced: at('misplaced'),
    twin: at('twin'),
    lease: at('lease'),
    leaseLock: at('lease.lock'),
    definition: at('definition.json'),
    defined: at('defined'),
    chosen: at('chosen'),
    proposal: at('proposal.json'),
    proposed: at('proposed'),
    settings: at('settings'),
    placement: at('placement'),
    free: at('free'),
    stood: at('stood'),
    terms: at('terms'),
    seenHeld: at('seen-held'),
    due: at('due'),
    looked: at('looked'),
    rest: at('rest'),
    members: at('members'),
    memberIndex: at('member-index'),
    left: at('left'),
    report: at('report'),
    events: at('event'),
    told: at('told'),
    eventsDue: at('events.due'),
    drained: at('drained'),
    closed: at('closed'),
    sourceDue: at('source.due'),
    source: at('source.json'),
    sourceLock: at('source'),
    documents: at('documents'),
    checksDue: at('checks.due'),
    checksLock: at('checks'),
    log: at('log'),
    figures: at('figures'),
    instanceRing: at('figures/instance'),
    notes: at('figures/notes'),
    totals: at('figures/totals'),
    figuresProblem: at('figures/problem'),
    groups: at('groups'),
    clock: clockFiles(directory),
    partitions: at('partition'),
    worker: workerFiles(directory),
    seen: handler => at(`seen.${handler}`),
    partition: once(id => partitionFiles(`${at('partition')}/${encode(id)}`)),
  }
}

/** The guard asks several times for the files of each partition. */
function once<T>(make: (id: string) => T): (id: string) => T {
  const made = new Map<string, T>()
  return id => {
    const before = made.get(id)
    if (before !== undefined) return before
    const own = make(id)
    made.set(id, own)
    return own
  }
}

function clockFiles(instance: string): ClockFiles {
  const directory = `${instance}/clock`
  const at = (name: string) => `${directory}/${name}`
  return { directory, pipe: at('pipe'), promise: at('promise'), launched: at('launched'), tended: at('tended') }
}

/** @param directory of the partition */
export function partitionFiles(directory: string): PartitionFiles {
  const at = (name: string) => `${directory}/${name}`
  return {
    directory,
    acquisition: at('acquisition'),
    releasing: at('releasing'),
    index: at('index'),
    token: at('token'),
    lease: at('lease'),
    terms: at('terms'),
    launched: at('launched'),
    shepherd: at('shepherd'),
    process: at('process'),
    mark: at('mark'),
    group: at('group'),
    status: at('status'),
    exit: at('exit'),
    restarts: at('restarts'),
    output: at('output'),
    document: at('document'),
    documentIndex: at('document.index'),
    restart: at('restart'),
    registered: at('registered'),
    checks: at('check'),
    ready: at('ready'),
    stays: at('stays'),
    told: at('told'),
    metrics: at('metrics'),
    metricsBad: at('metrics.bad'),
    handOver: at('hand-over'),
    takeover: at('takeover'),
    handed: at('handed'),
    asked: at('asked'),
  }
}

function workerFiles(instance: string): WorkerFiles {
  const directory = `${instance}/partition/.worker`
  const at = (name: string) => `${directory}/${name}`
  return {
    ...partitionFiles(directory),
    instance,
    assignment: at('assignment'),
    changed: at('changed'),
    stopping: at('stopping'),
    confirmations: at('confirmations'),
    read: at('read'),
    report: at('report'),
    lock: at('lock'),
  }
}

/** The files of the instance that a partition or a worker belongs to. */
export function instanceOf({ directory }: PartitionFiles): Pick<InstanceFiles, 'directory' | 'groups' | 'clock'> {
  const instance = directory.slice(0, directory.lastIndexOf('/partition/'))
  return { directory: instance, groups: `${instance}/groups`, clock: clockFiles(instance) }
}

/** The worker of a partition's instance. */
export function workerOf({ directory }: PartitionFiles): WorkerFiles {
  return workerFiles(directory.slice(0, directory.lastIndexOf('/partition/')))
}

/** The files of the shepherd of a partition: the worker's while the partition is handed to it, otherwise its own. */
export function runnerOf(files: PartitionFiles): PartitionFiles {
  return existsSync(files.handed) ? workerOf(files) : files
}

/** The partitions that have a directory here. */
export function localPartitions(files: InstanceFiles): string[] {
  return directoriesIn(files.partitions)
    .map(decode)
    .filter(id => id !== null)
}
