/**
 * A control group (version 2) for each partition, where the machine allows it. A process cannot leave it by forking, by
 * setsid or by clearing its environment, and `cgroup.kill` ends all of it at once, without a fork of ours.
 *
 * Groups are made below the agent's own group: as root on a machine without systemd, and with `Delegate=yes` in the
 * agent's unit. Elsewhere systemd is asked for a scope: see scope.ts. WATCHBILL_CGROUP in the agent's environment names
 * another directory, or says `off`.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { bootId } from '../../base/clock.ts'
import { goneOrHidden } from '../../machine/identity.ts'
import { readFact, removeFact, writeFact } from '../../state/facts.ts'
import type { PartitionFiles } from '../../state/paths.ts'
import { type Home, nameBelow, type Place, usable } from './home.ts'

/** Where version 2 is mounted, and this process's own group there; null where it is not mounted. */
export function ownGroup(): { readonly mount: string; readonly path: string } | null {
  const mount = mountPoint()
  const path = /^0::(\/.*)$/m.exec(read('/proc/self/cgroup') ?? '')?.[1]
  return mount === null || path === undefined ? null : { mount, path: path === '/' ? '' : path }
}

function mountPoint(): string | null {
  for (const line of read('/proc/self/mountinfo')?.split('\n') ?? []) {
    const [fields = '', kind] = line.split(' - ')
    if (kind?.startsWith('cgroup2 ')) return fields.split(' ')[4] ?? null
  }
  return null
}

/**
 * Makes the group of a partition and writes its fact, before its shepherd is started. Where that fails, or without a
 * home, there is none, and the partition is known by its mark.
 * @param mark makes the name one that no file of the kernel's has, nor the group of another state directory
 */
export function makeGroup({ directory }: Home, files: PartitionFiles, mark: string): void {
  const group = directory && `${directory}/${basename(files.directory)}.${mark}`
  if (group === null || !made(group)) {
    removeFact(files.group)
    return
  }
  if (readFact(files.group) !== group) writeFact(files.group, group)
}

/** Not with what is above it: below a scope that is gone, only systemd may make one. */
function made(group: string): boolean {
  try {
    mkdirSync(group)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EEXIST'
  }
}

/**
 * The files that a shepherd writes its 0 to, to join the shepherds' group: none stands in a group that it kills, nor in
 * that of the agent's unit.
 */
export async function joinFiles({ directory }: Home): Promise<string[]> {
  if (directory === null || !made(`${directory}/shepherds`)) return []
  const own = `${directory}/shepherds/cgroup.procs`
  if (!existsSync('/run/systemd/system')) return [own]
  const { namedHierarchy } = await import('./scope.ts')
  return [own, ...namedHierarchy(ownGroup()?.mount ?? '', dirname(directory))]
}

/** Pids in a group and below it. None when it is gone. @throws when the system cannot look */
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

/** SIGKILLs everybody in the group that a fact names. Before Linux 5.14 there is no `cgroup.kill`: then they are killed one by one. */
export function killGroup(fact: string): void {
  const group = readFact(fact)
  if (group === null) return
  try {
    writeFileSync(`${group}/cgroup.kill`, '1')
  } catch {
    // gone, or too old: whoever calls this kills the members too
  }
}

/** Removes the group of a partition, with what its processes made below it. One that is not empty stays. */
export function removeGroup(files: PartitionFiles): void {
  const group = readFact(files.group)
  if (group === null) return
  removeTree(group)
  removeFact(files.group)
}

/** Removes the groups of an instance that has left. */
export function removeHome(files: Place): void {
  const directory = readHome(files)?.directory ?? null
  if (directory !== null) removeTree(directory)
  removeFact(files.groups)
}

function removeTree(group: string): void {
  try {
    for (const below of groupsBelow(group)) removeTree(below)
    rmdirSync(group)
  } catch {
    // gone already, or not ours to remove: an empty group costs nothing
  }
}

/**
 * Where groups are made for this instance: found out once a boot, and kept in the fact `groups`. That there is none is
 * found out anew at each start, for the remedy may have come.
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

/** What was found out; null when that is to be done. */
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
    made(wanted) // it goes with each boot
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
