/** The state directory of one instance: the file of each fact, and which instance it belongs to. */
import { decode, encode } from '../base/names.ts'
import { directoriesIn } from './facts.ts'
import {
  type ClockFiles,
  clockFiles,
  type PartitionFiles,
  partitionFiles,
  type WorkerFiles,
  workerFiles,
} from './partition-paths.ts'

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
  /** The last good limits of this machine, and what is wrong with the file as it is now: see state/allowed.ts. */
  readonly allowed: string
  /** Digest of the definition whose partitions this instance last wrote. */
  readonly defined: string
  /** Digest of the definition in which a document last had no command: see act/choose.ts. */
  readonly chosen: string
  /** The change that its definition would make, and that nobody has applied: see act/proposal.ts. */
  readonly proposal: string
  /** Tells whether that change must be computed again. */
  readonly proposed: string
  /** The versions that are prepared here: see keys/versions.ts. */
  readonly versions: string
  /** Exists while there is something to do for a roll-out, or for versions: see lib/rollout/. */
  readonly rollDue: string
  /** What was seen of the roll-out under way: see lib/rollout/seen.ts. */
  readonly rollSeen: string
  /** The directory for the lock of a round of that, and those of running commands. */
  readonly rollLock: string
  readonly rollCommands: string
  /** The last good settings. */
  readonly settings: string
  /** The last good rules of placement. */
  readonly placement: string
  /** The parts of the last plan of the scheduler, one line each: see keys/own-plan.ts. */
  readonly plan: string
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
  /** The directory of the scheduler: the lock of whoever runs it, and the files of its process. */
  readonly scheduler: string
  /** When the scheduler is to be run next, `<boot-clock ms> <stamp of the definition that this holds for>`. */
  readonly schedulerDue: string
  /** What of the last look makes it run when it changes. */
  readonly schedulerSaw: string
  /** When that changed last, boot-clock ms. */
  readonly schedulerChanged: string
  /** The instance that runs it, as far as this one knows. */
  readonly schedulerBy: string
  /** What was rendered, and what is left to be done for it: see lib/state/renders.ts. */
  readonly rendered: string
  /** What a render saw last: where that has changed, the next one is due. */
  readonly renderDue: string
  /** The directory for the lock of a running render. */
  readonly renderLock: string
  /** The directory for the lock of the program that powers lost machines off, and when it was last started. */
  readonly power: string
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
  /** What was last published of the partitions' health: see lib/guard/health.ts. */
  readonly health: string
  /** The last failure of that which was logged. */
  readonly healthProblem: string
  /** The acquisitions of which a check is not passing: see lib/checks/unwell.ts. */
  readonly unwell: string
  /** Its events: see lib/state/events.ts. */
  readonly eventRing: string
  /** What programs leave for the tick to write there. */
  readonly eventSpool: string
  /** Up to which event of which ring Consul has them. */
  readonly eventsPublished: string
  /** When events that Consul did not take are tried again. */
  readonly eventsPending: string
  /** What instances that are gone have published: see lib/attend/gone.ts. */
  readonly gone: string
  /** The parent of the partitions' control groups, and why that one: see process/containment/groups.ts. */
  readonly groups: string
  readonly clock: ClockFiles
  readonly partitions: string
  /** The files of the one process of a definition with `"per": "instance"`. */
  readonly worker: WorkerFiles
  /** Of the one process that runs while the instance is cut off: see process/stand-in.ts. */
  readonly standIn: PartitionFiles
  /** Since when Consul has not answered in this boot, `<boot id> <boot-clock ms>`, where that is needed. */
  readonly unreached: string
  /** The last stdin of a handler. */
  readonly seen: (handler: string) => string
  readonly partition: (id: string) => PartitionFiles
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
    allowed: at('limits.json'),
    defined: at('defined'),
    chosen: at('chosen'),
    proposal: at('proposal.json'),
    proposed: at('proposed'),
    versions: at('versions'),
    rollDue: at('roll.due'),
    rollSeen: at('roll.seen'),
    rollLock: at('roll'),
    rollCommands: at('roll.command'),
    settings: at('settings'),
    placement: at('placement'),
    plan: at('plan'),
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
    scheduler: at('scheduler'),
    schedulerDue: at('scheduler.due'),
    schedulerSaw: at('scheduler.saw'),
    schedulerChanged: at('scheduler.changed'),
    schedulerBy: at('scheduler.by'),
    rendered: at('render.json'),
    renderDue: at('render.due'),
    renderLock: at('render'),
    power: at('power'),
    documents: at('documents'),
    checksDue: at('checks.due'),
    checksLock: at('checks'),
    log: at('log'),
    figures: at('figures'),
    instanceRing: at('figures/instance'),
    notes: at('figures/notes'),
    totals: at('figures/totals'),
    figuresProblem: at('figures/problem'),
    health: at('health'),
    healthProblem: at('health.problem'),
    unwell: at('checks.unwell'),
    eventRing: at('happened'),
    eventSpool: at('happened.noted'),
    eventsPublished: at('happened.published'),
    eventsPending: at('happened.pending'),
    gone: at('gone'),
    groups: at('groups'),
    clock: clockFiles(directory),
    partitions: at('partition'),
    worker: workerFiles(directory),
    standIn: partitionFiles(`${directory}/partition/.stand-in`),
    unreached: at('unreached'),
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

/** The partitions that have a directory here. */
export function localPartitions(files: InstanceFiles): string[] {
  return directoriesIn(files.partitions)
    .map(decode)
    .filter(id => id !== null)
}
