/**
 * Defines which processes belong to a partition: those in its control group, those with its mark, the process that its
 * shepherd wrote down, those in that process's group or session, and all their descendants. A partition is gone when
 * none of them lives. A process that escapes one of these criteria is found by another: pam_systemd or a container
 * runtime changes the control group, setsid the session, and `env -i` the environment.
 */

import type { AlreadyThere } from '../../machine/already-there.ts'
import {
  isAlive,
  type Process,
  parseProcess,
  type Relative,
  relativeOf,
  signal,
  startOf,
  userOf,
} from '../../machine/identity.ts'
import { allPids, asMark, locksLimit, traitsInEnvironment } from '../../machine/marks.ts'
import { readLine, readUsual } from '../../state/facts.ts'
import type { PartitionFiles } from '../../state/partition-paths.ts'
import { killGroup, membersOfGroup } from './groups.ts'

/** The criteria for the processes of one partition, or of one locked command. */
export interface Traits {
  /** Identifies the partition or command in the results. */
  readonly key: string
  /** Null for processes started by a release without marks: they have the state directory in their environment. */
  readonly mark: string | null
  /** Path of its control group. */
  readonly group: string | null
  readonly recorded: Process | null
}

/**
 * The live processes of each of these. A key without a live process is left out.
 * @param older processes that were there before the first of these: they are not read
 */
export function livingOf(
  all: readonly Traits[],
  older: Pick<AlreadyThere, 'has'> | null = null,
): Map<string, Process[]> {
  return find(all, older).byKey
}

function find(all: readonly Traits[], older: Pick<AlreadyThere, 'has'> | null): Finding {
  const found = new Finding(all)
  const relatives = allPids().flatMap(pid => (older?.has(pid) ? [] : (found.look(pid) ?? [])))
  found.addDoubtful()
  found.addDescendants(relatives)
  return found
}

/** The live processes of partitions, by directory. @param all may include the worker, which has the same facts */
export function membersOf(all: readonly PartitionFiles[]): Map<string, Process[]> {
  return livingOf(all.map(traitsOf))
}

/**
 * Sends SIGKILL to all processes of these partitions, and to processes of other users that only have their limit. Such
 * a process may be an escaped one, so it is killed, but nobody waits for its end.
 * @returns the partitions of which a process was found
 */
export function killMembers(all: readonly PartitionFiles[]): PartitionFiles[] {
  for (const { group } of all) killGroup(group)
  const { byKey, doubtful } = find(all.map(traitsOf), null)
  for (const process of [...byKey.values(), doubtful].flat()) signal(process, 'SIGKILL')
  return all.filter(({ directory }) => byKey.has(directory))
}

function traitsOf(files: PartitionFiles): Traits {
  return {
    key: files.directory,
    mark: asMark(readUsual(files.mark)),
    group: readUsual(files.group),
    recorded: parseProcess(readLine(files.process)),
  }
}

class Finding {
  readonly byKey = new Map<string, Process[]>()
  readonly #keyOf = new Map<number, string>()
  readonly #byMark = new Map<string, string>()
  readonly #byDirectory = new Map<string, string>()
  readonly #byLeader = new Map<number, Traits>()
  readonly #grouped = new Set<string>()
  readonly #claimed: [Process, string, number | null][] = []

  constructor(all: readonly Traits[]) {
    for (const traits of all) {
      const { key, mark, group, recorded } = traits
      if (mark === null) this.#byDirectory.set(key, key)
      else this.#byMark.set(mark, key)
      if (recorded !== null) {
        this.#byLeader.set(recorded.pid, traits)
        // Also a process that /proc hides.
        if (isAlive(recorded)) this.#add(recorded, key)
      }
      if (group !== null) this.#grouped.add(key)
      if (group !== null) for (const pid of membersOfGroup(group)) this.#addPid(pid, key)
    }
  }

  /** @returns the process, if it lives and belongs to nothing yet */
  look(pid: number): Relative | null {
    const relative = relativeOf(pid)
    if (relative === null || relative.isKernel || this.#keyOf.has(pid)) return relative
    const key = this.#byRelation(relative) ?? this.#byTrustedLimit(relative) ?? this.#byEnvironment(pid)
    if (key !== undefined) this.#add(relative, key)
    return relative
  }

  /** Processes whose only trait is the limit, which they may have set themselves. */
  get doubtful(): Process[] {
    return this.#claimed.flatMap(([process]) => (this.#keyOf.has(process.pid) ? [] : [process]))
  }

  /** Adds processes of another user that have the limit, where a process of that user is known to belong. */
  addDoubtful(): void {
    for (const [process, key, user] of this.#claimed) {
      const known = this.byKey.get(key) ?? []
      if (known.some(({ pid }) => userOf(pid) === user)) this.#add(process, key)
    }
  }

  addDescendants(all: readonly Relative[]): void {
    const children = Map.groupBy(all, ({ parent }) => parent)
    for (const queue = [...this.#keyOf]; queue.length > 0; ) {
      const [pid, key] = queue.pop() as [number, string]
      for (const child of children.get(pid) ?? []) {
        if (this.#keyOf.has(child.pid)) continue
        this.#add(child, key)
        queue.push([child.pid, key])
      }
    }
  }

  /**
   * Everybody can read the limit and set the same one. So the limit counts only for processes of this user and of root.
   * As root, it also counts for other users, because a program may have changed its user; but not where there is a
   * control group.
   */
  #byTrustedLimit(relative: Relative): string | undefined {
    const key = this.#byLimit(relative.pid)
    if (key === undefined) return undefined
    const [user, self] = [userOf(relative.pid), process.geteuid?.() ?? 0]
    if (user === 0 || user === self || (self === 0 && !this.#grouped.has(key))) return key
    this.#claimed.push([relative, key, user])
  }

  #byLimit(pid: number): string | undefined {
    for (const limit of locksLimit(String(pid))) {
      const key = this.#byMark.get(limit)
      if (key !== undefined) return key
    }
  }

  #byEnvironment(pid: number): string | undefined {
    const { marks, directory } = traitsInEnvironment(String(pid))
    for (const mark of marks) {
      const key = this.#byMark.get(mark)
      if (key !== undefined) return key
    }
    return directory === null ? undefined : this.#byDirectory.get(directory)
  }

  /**
   * The kernel does not reuse a pid while a group or session has that number. So when another process has the leader's
   * pid, no member of the leader's group or session is left.
   */
  #byRelation({ pid, group, session }: Relative): string | undefined {
    for (const number of [group, session]) {
      const traits = this.#byLeader.get(number)
      if (!traits) continue
      const start = startOf(number)
      if (start !== null) {
        if (start === traits.recorded?.start) return traits.key
        // The number may have gone to another leader since, which is gone too: then only the mark decides.
      } else if (traits.mark === null || this.#bears(pid, traits.mark)) return traits.key
    }
  }

  #bears(pid: number, mark: string): boolean {
    return locksLimit(String(pid)).includes(mark) || traitsInEnvironment(String(pid)).marks.includes(mark)
  }

  #addPid(pid: number, key: string): void {
    const process = relativeOf(pid)
    if (process !== null) this.#add(process, key)
  }

  #add({ pid, start }: Process, key: string): void {
    // This program itself is never a member: an operator may run it from inside a partition.
    if (this.#keyOf.has(pid) || pid === process.pid) return
    this.#keyOf.set(pid, key)
    this.byKey.set(key, [...(this.byKey.get(key) ?? []), { pid, start }])
  }
}
