/**
 * What belongs to a partition, said once: whoever is in its control group, or bears its mark, or is the process that its
 * shepherd wrote down, or is in that one's process group or session, and all their descendants. A partition is gone when
 * none of these lives. A program that leaves one of them is found by another: a control group can be left through
 * pam_systemd or a container runtime, a session by setsid, an environment by `env -i`.
 */

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
import { asMark, bornIn, locksLimit, pidsSince, type Since } from '../../machine/marks.ts'
import { readLine, readUsual } from '../../state/facts.ts'
import type { PartitionFiles } from '../../state/paths.ts'
import { killGroup, membersOfGroup } from './groups.ts'

/** By what the processes of one partition, or of one locked command, are known. */
export interface Traits {
  /** Names it in what is returned. */
  readonly key: string
  /** null for what a release without marks has started: it is known by its state directory in the environment. */
  readonly mark: string | null
  /** Path of its control group. */
  readonly group: string | null
  readonly recorded: Process | null
}

/** The living processes of each of these. Those of which nothing lives are not in it. */
export function livingOf(all: readonly Traits[], since: Since | null = null): Map<string, Process[]> {
  return find(all, since).byKey
}

function find(all: readonly Traits[], since: Since | null): Finding {
  const found = new Finding(all)
  const relatives = pidsSince(since).flatMap(pid => found.look(pid) ?? [])
  found.addDoubtful()
  found.addDescendants(relatives)
  return found
}

/** The same for partitions, by their directory. @param all also of the worker: it has the facts of a partition */
export function membersOf(all: readonly PartitionFiles[]): Map<string, Process[]> {
  return livingOf(all.map(traitsOf))
}

/**
 * SIGKILLs all that belongs to these. And whoever else has set the limit of one for himself: he may be one that nothing
 * else tells of, but nobody waits for his end.
 * @returns those of which something was found
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
        // Also one that /proc hides.
        if (isAlive(recorded)) this.#add(recorded, key)
      }
      if (group !== null) this.#grouped.add(key)
      if (group !== null) for (const pid of membersOfGroup(group)) this.#addPid(pid, key)
    }
  }

  /** @returns the process, as far as it lives and belongs to nobody yet */
  look(pid: number): Relative | null {
    const relative = relativeOf(pid)
    if (relative === null || relative.isKernel || this.#keyOf.has(pid)) return relative
    const key = this.#byRelation(relative) ?? this.#byTrustedLimit(relative) ?? this.#byEnvironment(pid)
    if (key !== undefined) this.#add(relative, key)
    return relative
  }

  /** Those with a limit that its bearer may have copied, and nothing else that tells. */
  get doubtful(): Process[] {
    return this.#claimed.flatMap(([process]) => (this.#keyOf.has(process.pid) ? [] : [process]))
  }

  /** Those with the limit that another user has: they belong where that user's processes are known to. */
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
   * Everybody can read the limit, and set his own to it. So it counts for this user and for root. For root also
   * another user's counts, who may be the one that a program has become; but not where there is a control group.
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
    const { marks, directory } = bornIn(String(pid))
    for (const mark of marks) {
      const key = this.#byMark.get(mark)
      if (key !== undefined) return key
    }
    return directory === null ? undefined : this.#byDirectory.get(directory)
  }

  /**
   * The kernel gives a pid to no other process as long as a group or a session has its number: where another process
   * has the pid of the leader, nobody of the leader's is left.
   */
  #byRelation({ pid, group, session }: Relative): string | undefined {
    for (const number of [group, session]) {
      const traits = this.#byLeader.get(number)
      if (!traits) continue
      const start = startOf(number)
      if (start !== null) {
        if (start === traits.recorded?.start) return traits.key
        // The number may have gone to another leader since, who is gone too: then the mark tells.
      } else if (traits.mark === null || this.#bears(pid, traits.mark)) return traits.key
    }
  }

  #bears(pid: number, mark: string): boolean {
    return locksLimit(String(pid)).includes(mark) || bornIn(String(pid)).marks.includes(mark)
  }

  #addPid(pid: number, key: string): void {
    const process = relativeOf(pid)
    if (process !== null) this.#add(process, key)
  }

  #add({ pid, start }: Process, key: string): void {
    // Whoever looks is not what is looked for: an operator may act from inside a partition.
    if (this.#keyOf.has(pid) || pid === process.pid) return
    this.#keyOf.set(pid, key)
    this.byKey.set(key, [...(this.byKey.get(key) ?? []), { pid, start }])
  }
}
