/**
 * A control group (version 2) for each partition, where the machine allows it. A process cannot leave it by fork, by
 * setsid or by clearing its environment, and `cgroup.kill` ends all of its processes at once, and we need not start a
 * program for it.
 *
 * The groups are made below the agent's own group: as root on a machine without systemd, or with `Delegate=yes` in the
 * agent's unit. Otherwise systemd is asked for a scope: see scope.ts. WATCHBILL_CGROUP in the agent's environment names
 * another directory, or `off`.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { bootId } from '../../base/clock.ts'
import { goneOrHidden } from '../../machine/identity.ts'
import { readFact, removeFact, writeFact } from '../../state/facts.ts'
import { type PartitionFiles, workerFiles } from '../../state/partition-paths.ts'
import { type Home, nameBelow, type Place, usable } from './home.ts'

/** The mount point of version 2, and this process's own group there; null when it is not mounted. */
export function ownGroup(): { readonly mount: string; readonly path: string } | null {
  const mount = mountPoint()
  const path = /^0::(\/.*)$/m.exec(read('/proc/self/cgroup') ?? '')?.[1]
  return mount === null || path === undefined ? null : { mount, path: path === '/' ? '' : withoutAside(path) }
}

/**
 * The group that the agent's own processes are moved to, so that the one that they were in can have controllers: see
 * process/limits/controllers.ts.
 */
export const aside = 'watchbill.agent'

function withoutAside(path: string): string {
  return path.endsWith(`/${aside}`) ? path.slice(0, -`/${aside}`.length) : path
}

function mountPoint(): string | null {
  for (const line of read('/proc/self/mountinfo')?.split('\n') ?? []) {
    const [fields = '', kind] = line.split(' - ')
    if (kind?.startsWith('cgroup2 ')) return fields.split(' ')[4] ?? null
  }
  return null
}

/**
 * Makes the group of a partition and writes its fact, before its shepherd is started. When that fails, or there is no
 * home, the partition has no group, and its mark identifies it.
 * @param mark makes the name unique among the kernel's files and the groups of other state directories
 */
export function makeGroup({ directory }: Home, files: PartitionFiles, mark: string): void {
  const group = directory && `${directory}/${basename(files.directory)}.${mark}`
  const outcome = group === null ? 'none' : makeOne(group)
  if (group === null || outcome === 'none') {
    removeFact(files.group)
    return
  }
  if (outcome === 'new') removeFact(files.oom) // the kernel counts anew
  if (readFact(files.group) !== group) writeFact(files.group, group)
}

/** Makes no parent directories: below a scope that is gone, only systemd may make a group. */
function makeOne(group: string): 'new' | 'there' | 'none' {
  try {
    mkdirSync(group)
    return 'new'
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EEXIST' ? 'there' : 'none'
  }
}

/**
 * The files to which a shepherd writes 0 to join the shepherds' group. A shepherd must not be in a group that it kills,
 * nor in that of the agent's unit.
 */
export async function joinFiles({ directory }: Home): Promise<string[]> {
  if (directory === null || makeOne(`${directory}/shepherds`) === 'none') return []
  const own = `${directory}/shepherds/cgroup.procs`
  if (!existsSync('/run/systemd/system')) return [own]
  const { namedHierarchy } = await import('./scope.ts')
  return [own, ...namedHierarchy(ownGroup()?.mount ?? '', dirname(directory))]
}

/** The pids in a group and below it; none when the group is gone. @throws when the system cannot look */
export function membersOfGroup(group: string): number[] {
  const own = (read(`${group}/cgroup.procs`) ?? '').split('\n').map(Number)
  return [...own.filter(pid => pid > 0), ...groupsBelow(group).flatMap(membersOfGroup)]
}

function groupsBelow(group: string): string[] {
  try {
    return readdirSync(group, { withFileTypes: true })
      .filter(entry => entry.isDirectory())
      .map(({ name }) => `${group}/${name}`)
  } catch (error) {
    return goneOrHidden(error) ?? []
  }
}

/**
 * Sends SIGKILL to all processes of the group that a fact names. Before Linux 5.14 there is no `cgroup.kill`: then one
 * by one.
 */
export function killGroup(fact: string): void {
  const group = readFact(fact)
  if (group === null) return
  try {
    writeFileSync(`${group}/cgroup.kill`, '1')
  } catch {
    // The group is gone, or the kernel too old: the caller also kills the members.
  }
}

/**
 * Removes the group of a partition and the groups that its processes made below it. A group that is not empty stays.
 */
export function removeGroup(files: PartitionFiles): void {
  if (existsSync(files.limits) || existsSync(files.readers)) removeLimits(files)
  const group = readFact(files.group)
  if (group === null) return
  removeTree(group)
  removeFact(files.group)
}

/**
 * Removes what limits a partition, with its groups of version 1: see process/limits/apply.ts. One that still has
 * processes stays, and costs nothing once they are gone.
 */
export function removeLimits(files: PartitionFiles): void {
  for (const line of readFact(files.limits)?.split('\n') ?? []) {
    if (line.startsWith('join ')) removeSoon(dirname(line.slice('join '.length)))
  }
  for (const fact of [files.limits, files.oom, files.near, files.readers]) removeFact(fact)
}

/** A process that has ended is in its group until its parent has reaped it, which may take a moment. */
function removeSoon(group: string): void {
  for (let left = 5; left > 0; left--) {
    try {
      rmdirSync(group)
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY') return
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
    }
  }
}

/** Removes the groups of an instance that has left. */
export function removeHome(files: Place): void {
  const worker = workerFiles(files.directory)
  if (existsSync(worker.limits)) removeLimits(worker)
  const directory = readHome(files)?.directory ?? null
  if (directory !== null) removeTree(directory)
  removeFact(files.groups)
}

function removeTree(group: string): void {
  try {
    for (const below of groupsBelow(group)) removeTree(below)
    rmdirSync(group)
  } catch {
    // Already gone, or not ours to remove: an empty group costs nothing.
  }
}

/**
 * Where this instance's groups are made. A success is kept in the fact `groups` for the rest of the boot. A failure is
 * not kept: the next start tries again, because the cause may be gone.
 */
export async function homeOf(files: Place): Promise<Home> {
  const known = readHome(files)
  if (known !== null && (await mayStay(known, files))) return known
  const home = await findHome(files)
  const fact = `${bootId()}\n${home.directory ?? '-'}\n${home.why}`
  if (readFact(files.groups) !== fact) writeFact(files.groups, fact)
  return home
}

async function mayStay({ directory }: Home, files: Place): Promise<boolean> {
  const wanted = process.env.WATCHBILL_CGROUP
  if (directory === null || (wanted && directory !== nameBelow(wanted, files))) return false
  if (!dirname(directory).endsWith('.scope')) return true
  const { isStopping } = await import('./scope.ts')
  return !(await isStopping(basename(dirname(directory))))
}

/** The home that the fact names; null when it must be found again. */
export function readHome(files: Place): Home | null {
  const [boot, directory = '-', why = ''] = readFact(files.groups)?.split('\n') ?? []
  if (boot !== bootId()) return null
  if (directory !== '-' && !existsSync(directory)) return null
  return { directory: directory === '-' ? null : directory, why }
}

async function findHome(files: Place): Promise<Home> {
  const wanted = process.env.WATCHBILL_CGROUP
  if (wanted === 'off') return { directory: null, why: 'WATCHBILL_CGROUP is off' }
  const own = ownGroup()
  if (own === null) return { directory: null, why: 'there are no control groups of version 2' }
  if (wanted) {
    makeOne(wanted) // a reboot removes it
    return usable(wanted, files, 'WATCHBILL_CGROUP names it')
  }
  if (!existsSync('/run/systemd/system')) return usable(`${own.mount}${own.path}`, files, "below the agent's own")
  const { systemdHome } = await import('./scope.ts')
  return systemdHome(own, files)
}

function read(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    return goneOrHidden(error)
  }
}
