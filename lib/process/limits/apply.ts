/**
 * Limits the processes of one partition together: memory, processors, how many there are. The fact `limits` says where,
 * one line each: `join FILE` (a group of version 1, which the shepherd's child joins), `oom FILE TEXT` (where the kernel
 * counts what it killed for memory), `memory FILE BYTES`, `pids FILE N` (what is used, and the limit).
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { type Amount, amounts, type Limits } from '../../definition/limits.ts'
import { killsIn } from '../../machine/near-limit.ts'
import { readFact, removeFact, writeFact } from '../../state/facts.ts'
import type { PartitionFiles } from '../../state/partition-paths.ts'
import { removeLimits } from '../containment/groups.ts'
import type { Home } from '../containment/home.ts'
import { type Controllers, controllersFor, written } from './controllers.ts'
import { lendTo } from './lend.ts'

/** The period in which processor time is shared out, µs: the kernel's own. */
const period = 100_000

/** A started partition's limits, or why they cannot be kept. */
export interface Applied {
  /** Null when it may be started. */
  readonly problem: string | null
  /** Limits of each process, where a control group is missing and the definition accepts less. */
  readonly instead: readonly string[]
}

/** Finds out once for many partitions where the limits can be set. */
export function limiter(
  home: Home,
  limits: Limits,
  controllers: Controllers | null = amountsOf(limits).length > 0 ? controllersFor(home) : null,
): (files: PartitionFiles, mark: string) => Applied {
  const readers = limits.user === undefined ? null : groupOf(limits)
  return (files, mark) => {
    if (readers !== null) lendTo(files, readers)
    else if (existsSync(files.readers)) removeFact(files.readers)
    return controllers === null ? { problem: null, instead: [] } : applied(files, mark, limits, controllers)
  }
}

export function amountsOf(limits: Limits): Amount[] {
  return amounts.filter(amount => limits[amount] !== undefined)
}

function applied(files: PartitionFiles, mark: string, limits: Limits, controllers: Controllers): Applied {
  const lines: string[] = []
  const instead: string[] = []
  let problem: string | null = null
  for (const amount of amountsOf(limits)) {
    const place = controllers[amount]
    const why =
      typeof place === 'string' ? place : set(files, mark, limits, amount, place.version, place.directory, lines)
    if (why === null) continue
    problem ??= `run.${amount} cannot be kept: ${why}; "limits": "best-effort" in run starts it without`
    instead.push(...(eachProcess(amount, limits) ?? []))
  }
  if (lines.length > 0) writeFact(files.limits, [...new Set(lines)].join('\n'))
  else removeFact(files.limits)
  begunWith(files, lines)
  return limits.bestEffort ? { problem: null, instead } : { problem, instead: [] }
}

/** What a limit of each process comes near to. One of processes counts all of the user's, and root has none. */
function eachProcess(amount: Amount, { memory, pids, user, ulimit = {} }: Limits): string[] | null {
  if (amount === 'memory' && ulimit.data === undefined) return [`data=${memory}`]
  if (amount === 'pids' && user !== undefined && ulimit.nproc === undefined) return [`nproc=${pids}`]
  return null
}

/** @returns why it cannot be set; null when it is */
function set(
  files: PartitionFiles,
  mark: string,
  limits: Limits,
  amount: Amount,
  version: 1 | 2,
  directory: string,
  lines: string[],
): string | null {
  const group = version === 2 ? readFact(files.group) : `${directory}/watchbill.${mark}`
  if (group === null) return 'the partition has no control group'
  try {
    if (version === 1 && !existsSync(group)) mkdirSync(group)
  } catch (error) {
    return `${group} cannot be made: ${(error as Error).message}`
  }
  for (const [name, text, must] of settings[version][amount](limits)) {
    const code = written(`${group}/${name}`, text)
    if (code !== null && must) return `${group}/${name} refuses ${text}: ${code}`
  }
  if (version === 1) lines.push(`join ${group}/cgroup.procs`)
  if (amount === 'memory') {
    const [used, killed] =
      version === 2 ? ['memory.current', 'memory.events'] : ['memory.usage_in_bytes', 'memory.oom_control']
    lines.push(`oom ${group}/${killed} its memory limit of ${inWords(limits.memory as number)}`)
    lines.push(`memory ${group}/${used} ${limits.memory}`)
  }
  if (amount === 'pids') lines.push(`pids ${group}/pids.current ${limits.pids}`)
  return null
}

type Setting = readonly [name: string, text: string, must: boolean]

/** Some files are there only with swap, or on newer kernels: without those the limit is kept all the same. */
const settings: Record<1 | 2, Record<Amount, (limits: Limits) => Setting[]>> = {
  1: {
    memory: ({ memory }) => [
      ['memory.memsw.limit_in_bytes', '-1', false],
      ['memory.limit_in_bytes', `${memory}`, true],
      ['memory.memsw.limit_in_bytes', `${memory}`, false],
    ],
    cpu: ({ cpu }) => [
      ['cpu.cfs_period_us', `${period}`, false],
      ['cpu.cfs_quota_us', `${quota(cpu)}`, true],
    ],
    pids: ({ pids }) => [['pids.max', `${pids}`, true]],
  },
  2: {
    memory: ({ memory }) => [
      ['memory.max', `${memory}`, true],
      ['memory.swap.max', '0', false],
      ['memory.oom.group', '1', false],
    ],
    cpu: ({ cpu }) => [['cpu.max', `${quota(cpu)} ${period}`, true]],
    pids: ({ pids }) => [['pids.max', `${pids}`, true]],
  },
}

/** The kernel takes no less than 1 ms. */
function quota(cpu = 1): number {
  return Math.max(1000, Math.round(cpu * period))
}

export function inWords(bytes: number): string {
  for (const [unit, name] of [
    [1e9, 'GB'],
    [1e6, 'MB'],
  ] as const)
    if (bytes >= unit) return `${Number((bytes / unit).toFixed(1))} ${name}`
  return `${bytes} bytes`
}

/** A group that was there before has counted before: only what comes now is news. */
function begunWith(files: PartitionFiles, lines: readonly string[]): void {
  const file = lines.find(line => line.startsWith('oom '))?.split(' ')[1]
  const before = file === undefined ? 0 : killsIn(file)
  if (before === 0) removeFact(files.oom)
  else if (Number(readFact(files.oom)?.split(' ')[0]) !== before) writeFact(files.oom, `${before} 0`)
}

/** The definition limits nothing any more. */
export function lift(files: PartitionFiles): void {
  const group = readFact(files.group)
  if (group !== null)
    for (const [name, text] of [
      ['memory.max', 'max'],
      ['memory.swap.max', 'max'],
      ['cpu.max', `max ${period}`],
      ['pids.max', 'max'],
    ] as const)
      if (existsSync(`${group}/${name}`)) written(`${group}/${name}`, text)
  removeLimits(files)
}

/** The group that another user's processes read their document by; null when there is none: the start then says why. */
function groupOf({ user = '', group }: Limits): number | null {
  const asked = group === undefined ? ['passwd', user] : ['group', group]
  const found = spawnSync('getent', asked, { encoding: 'utf8', timeout: 3000 }).stdout?.trim().split(':') ?? []
  const gid = Number(found[group === undefined ? 3 : 2])
  return found.length > 3 && Number.isInteger(gid) ? gid : null
}
