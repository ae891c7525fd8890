/** The state directory of one instance: where each fact stands, and whose it is. */
import { existsSync } from 'node:fs'
import { decode, encode } from '../base/names.ts'
import { directoriesIn } from './facts.ts'

/** Where the files of one instance stand. Every path is absolute. */
export interface InstanceFiles {
  readonly directory: string
  readonly identity: string
  readonly session: string
  /** A session that came to live on a node of another name, and that name. */
  readonly misplaced: string
  /** When somebody else was last seen to take part under this name, and how often: see act/own-troubles.ts. */
  readonly twin: string
  readonly lease: string
  /** Whoever changes what the leases count from holds this lock: see state/lease-lock.ts. */
  readonly leaseLock: string
  readonly definition: string
  /** Digest of the definition whose partitions this instance wrote last. */
  readonly defined: string
  /** Digest of the definition in which a document last found no command: see act/choose.ts. */
  readonly chosen: string
  /** What its definition would change, and nobody has applied: see act/proposal.ts. */
  readonly proposal: string
  /** What tells whether it has to be weighed again. */
  readonly proposed: string
  /** The last good settings. */
  readonly settings: string
  readonly free: string
  /** The longest L and G that were seen, `<L> <G>` in ms: see keys/terms.ts. */
  readonly terms: string
  /** The locks that were last seen held: see look/seen-held.ts. */
  readonly seenHeld: string
  /** When the next takeover wait of this instance ends, boot-clock ms. */
  readonly due: string
  readonly looked: string
  /** What the last look found, where that may stand for the next ones: see look/unchanged.ts. */
  readonly rest: string
  /** Who took part at the last look, one instance per line. */
  readonly members: string
  /** Consul's index up to which the guard has seen that all of them still do. */
  readonly memberIndex: string
  readonly left: string
  readonly report: string
  /** Reactions that are still to be done, one file each: see lib/hooks/queue.ts. */
  readonly events: string
  /** What hooks were told of the instance last: see lib/hooks/instance.ts. */
  readonly told: string
  /** When the next of them is due, boot-clock ms. */
  readonly eventsDue: string
  /** Until when a drain that a check asked for lasts, and when it began: `<boot id> <boot-clock ms> <boot-clock ms> <why>`. */
  readonly drained: string
  /** Why its worker takes nothing any more, for as long as it is drained for that. */
  readonly closed: string
  /** When the set is fetched next, `<boot-clock ms> <stamp of the definition that this holds for>`. */
  readonly sourceDue: string
  /** What the last fetch came to: see lib/state/fetches.ts. */
  readonly source: string
  /** Where the fetch that is at work has its lock. */
  readonly sourceLock: string
  /** Consul's index of the last change of a document that was passed on here. */
  readonly documents: string
  /** When the next check of a partition is due, boot-clock ms. */
  readonly checksDue: string
  /** Where the round of checks that is at work has its lock. */
  readonly checksLock: string
  readonly log: string
  /** Where the control groups of partitions are made, and why there: see process/containment/groups.ts. */
  readonly groups: string
  readonly partitions: string
  /** Of the one process of a definition that says `"per": "instance"`. */
  readonly worker: WorkerFiles
  /** What a handler last saw on its stdin. */
  readonly seen: (handler: string) => string
  readonly partition: (id: string) => PartitionFiles
}

/** Where the facts of one partition stand. The shepherd reads and writes some of them: see process/shepherd/shepherd.sh. */
export interface PartitionFiles {
  readonly directory: string
  /** Random id of the acquisition, written before its transaction. Gone: nothing may be started. */
  readonly acquisition: string
  /** The id of an acquisition that is being given back. */
  readonly releasing: string
  /** The lock's ModifyIndex, once the transaction is done. */
  readonly index: string
  readonly token: string
  /** `<from> <own>`, see state/lease.ts */
  readonly lease: string
  /** `<L> <G>` of the acquisition, ms. */
  readonly terms: string
  /** The shepherd that was started last, before it has written its own name: see machine/launch.sh. */
  readonly launched: string
  readonly shepherd: string
  readonly process: string
  /** The number that everything bears which comes from the process: see machine/marks.ts. */
  readonly mark: string
  /** Path of its control group; missing when it has none. */
  readonly group: string
  readonly status: string
  readonly exit: string
  readonly restarts: string
  readonly output: string
  /** Its document, one line of JSON; missing when it has none. */
  readonly document: string
  /** The ModifyIndex of the key that it was read from. */
  readonly documentIndex: string
  /** There as long as a restart that was asked for on this machine is not made; the text says why. */
  readonly restart: string
  /** What Consul's agent was told of it: see lib/checks/catalog.ts. */
  readonly registered: string
  /** One directory per check: see lib/checks/state.ts. */
  readonly checks: string
  /** What says that it is ready, where that is asked: see lib/state/ready.ts. */
  readonly ready: string
  /** Why a check that wants it elsewhere cannot have it moved; missing when nothing is the matter. */
  readonly stays: string
  /** What hooks were told of it last: see lib/hooks/lifecycle.ts. */
  readonly told: string
  /** Its line for the worker, from before it is handed over until the worker has stopped it, or is gone. */
  readonly handed: string
  /** The worker is to stop it. */
  readonly asked: string
}

/**
 * Where the facts of the worker stand: the one process that is told which partitions it has. It has a shepherd like any
 * process, so its directory has the facts of a partition, and lies beside theirs; no partition can have its name.
 */
export interface WorkerFiles extends PartitionFiles {
  /** The directory of its instance. */
  readonly instance: string
  /** What it is to have, one line each: see base/worker-line.ts. */
  readonly assignment: string
  /** There from before the assignment is replaced until the worker was told so. */
  readonly changed: string
  /** What was taken back and is not confirmed yet, one line each. */
  readonly stopping: string
  /** What it has stopped, one line each: see state/worker-confirmations.ts. */
  readonly confirmations: string
  /** How many bytes of the confirmations were dealt with. */
  readonly read: string
  /** What the worker says of itself and of what it has: see state/worker-said.ts. */
  readonly report: string
  /** Whoever changes any of these, but for the report, holds this lock. */
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
    free: at('free'),
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
    groups: at('groups'),
    partitions: at('partition'),
    worker: workerFiles(directory),
    seen: handler => at(`seen.${handler}`),
    partition: id => partitionFiles(`${at('partition')}/${encode(id)}`),
  }
}

/** @param directory the partition's */
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

/** Of the instance that a partition's files, or its worker's, belong to: the facts that lie above them. */
export function instanceOf({ directory }: PartitionFiles): Pick<InstanceFiles, 'directory' | 'groups'> {
  const instance = directory.slice(0, directory.lastIndexOf('/partition/'))
  return { directory: instance, groups: `${instance}/groups` }
}

/** The worker beside a partition. */
export function workerOf({ directory }: PartitionFiles): WorkerFiles {
  return workerFiles(directory.slice(0, directory.lastIndexOf('/partition/')))
}

/** The files of whoever has a shepherd for it: the worker while the partition is handed to it, or itself. */
export function runnerOf(files: PartitionFiles): PartitionFiles {
  return existsSync(files.handed) ? workerOf(files) : files
}

/** The partitions that this instance has a directory for. */
export function localPartitions(files: InstanceFiles): string[] {
  return directoriesIn(files.partitions)
    .map(decode)
    .filter(id => id !== null)
}
