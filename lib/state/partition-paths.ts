/** The files of a partition, of the worker, and of the clock, in the state directory of their instance. */
import { existsSync } from 'node:fs'
import type { Definition } from '../definition/definition.ts'
import { readFact } from './facts.ts'

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
  /** What `groups` of the instance said when it was started: the clock is in the shepherds' control group there. */
  readonly home: string
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
  /** `<L> <G>` of the acquisition, ms, and what it says of `whenIsolated` unless its process is stopped. */
  readonly terms: string
  /** Its process goes on while its machine is cut off: see state/kept.ts. */
  readonly kept: string
  /** `<version> <roll-out>` that its process runs with, as in the lock's value; missing when both are empty. */
  readonly version: string
  /** The shepherd that was started last, until it has written its own pid: see machine/launch.sh. */
  readonly launched: string
  readonly shepherd: string
  readonly process: string
  /** The number that all descendants of the process carry: see machine/marks.ts. */
  readonly mark: string
  /** Path of its control group; missing when it has none. */
  readonly group: string
  /** Where its limits stand, one a line; missing when it has none: see process/limits/apply.ts. */
  readonly limits: string
  /** How often the kernel has killed for memory here, and when last, `<n> <epoch>`. */
  readonly oom: string
  /** Which limits it is near to, in words; missing when none. */
  readonly near: string
  /** The group id of the other user that its processes run as; missing for the agent's own. */
  readonly readers: string
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
  /** The acquisition that its files have been rendered for, when they are rendered before the start. */
  readonly rendered: string
  /** Since when its start waits for that: `<boot-clock ms> <acquisition>`. */
  readonly awaits: string
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

export function clockFiles(instance: string): ClockFiles {
  const directory = `${instance}/clock`
  const at = (name: string) => `${directory}/${name}`
  return {
    directory,
    ...{ pipe: at('pipe'), promise: at('promise'), launched: at('launched'), tended: at('tended'), home: at('home') },
  }
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
    kept: at('kept'),
    version: at('version'),
    launched: at('launched'),
    shepherd: at('shepherd'),
    process: at('process'),
    mark: at('mark'),
    group: at('group'),
    limits: at('limits'),
    oom: at('oom'),
    near: at('near'),
    readers: at('readers'),
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
    rendered: at('rendered'),
    awaits: at('awaits'),
    handed: at('handed'),
    asked: at('asked'),
  }
}

export function workerFiles(instance: string): WorkerFiles {
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

interface OwnInstance {
  readonly directory: string
  readonly groups: string
  readonly clock: ClockFiles
}

/** The files of the instance that a partition or a worker belongs to. */
export function instanceOf({ directory }: PartitionFiles): OwnInstance {
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

/** The version that a partition's process runs with; '' where the service has none. */
export function versionOf({ versions }: Pick<Definition, 'versions'>, { version }: PartitionFiles): string {
  return versions === undefined ? '' : (readFact(version)?.split(' ')[0] ?? '')
}
