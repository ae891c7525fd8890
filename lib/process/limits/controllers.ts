/**
 * Where this machine lets us limit memory, processors and processes: in the control groups of version 2 where they have
 * the controller, or else in those of version 1, where each controller may have a hierarchy of its own.
 */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { type Amount, amounts } from '../../definition/limits.ts'
import { goneOrHidden } from '../../machine/identity.ts'
import { aside } from '../containment/groups.ts'
import type { Home } from '../containment/home.ts'

/** A directory below which groups with this controller can be made. */
export interface Place {
  readonly version: 1 | 2
  readonly directory: string
}

/** A place for each of them, or why there is none. */
export type Controllers = Readonly<Record<Amount, Place | string>>

interface Texts {
  readonly mountinfo: string
  readonly cgroup: string
}

/** @param home where the groups of partitions are; changed, so that those of version 2 have the controllers */
export function controllersFor(home: Home, texts: Texts = textsOf('self')): Controllers {
  return found(amount => newPlace(home, amount), texts)
}

/** The agent, as doctor and configure see it from outside. */
export interface AgentHere {
  readonly pid: number | null
  readonly uid: number
  /** The directory of an instance's control groups, where one was found before. */
  readonly home?: string | null
}

/** The same without a change: what the agent will find. */
export function controllersOf({ pid, uid, home }: AgentHere, texts = textsOf(pid ?? 'self')): Controllers {
  const unit = home ? dirname(home) : unitOf(uid, texts)
  const offered = unit === null ? [] : (read(`${unit}/cgroup.controllers`) ?? '').trim().split(/\s+/)
  const of = (amount: Amount): Place | string => {
    if (unit === null || !offered.includes(amount)) return notThere(amount)
    return mayChange(unit, uid)
      ? { version: 2, directory: unit }
      : `${unit} is not the agent's: set Delegate=yes in its unit`
  }
  const all = found(of, texts)
  const own = (place: Place | string) =>
    typeof place === 'string' || mayChange(place.directory, uid) ? place : `${place.directory} belongs to root`
  return Object.fromEntries(amounts.map(amount => [amount, own(all[amount])])) as Record<Amount, Place | string>
}

/** As root under systemd a scope is asked for, which gets all controllers that there are. */
function unitOf(uid: number, { mountinfo, cgroup }: Texts): string | null {
  const mount = mountinfo
    .split('\n')
    .find(line => / - cgroup2 /.test(line))
    ?.split(' ')[4]
  if (mount === undefined || process.env.WATCHBILL_CGROUP === 'off') return null
  if (uid === 0 && existsSync('/run/systemd/system')) return mount
  const path = /^0::(\/.*)$/m.exec(cgroup)?.[1] ?? '/'
  return `${mount}${path === '/' ? '' : path}`
}

function mayChange(directory: string, uid: number): boolean {
  return uid === 0 || statSync(directory, { throwIfNoEntry: false })?.uid === uid
}

function found(second: (amount: Amount) => Place | string, texts: Texts): Controllers {
  const of = (amount: Amount): Place | string => {
    const place = second(amount)
    return typeof place === 'string' ? (firstPlace(amount, texts) ?? place) : place
  }
  return Object.fromEntries(amounts.map(amount => [amount, of(amount)])) as Record<Amount, Place | string>
}

function textsOf(pid: number | 'self'): Texts {
  return { mountinfo: read('/proc/self/mountinfo') ?? '', cgroup: read(`/proc/${pid}/cgroup`) ?? '' }
}

/**
 * The controller has to be switched on in every group from the one that is ours to change down to the home. The kernel
 * refuses that for a group with processes of its own, so those stand aside in a group below it.
 */
function newPlace({ directory, why }: Home, amount: Amount): Place | string {
  if (directory === null) return why
  for (const group of [dirname(directory), directory]) {
    if (isOn(group, amount)) continue
    const problem = switchOn(group, amount)
    if (problem !== null) return problem
  }
  return { version: 2, directory }
}

function isOn(group: string, amount: Amount): boolean {
  return (read(`${group}/cgroup.subtree_control`) ?? '').split(/\s+/).includes(amount)
}

/** @returns why it cannot be switched on for the groups below this one; null when it is */
export function switchOn(group: string, controller: string): string | null {
  for (let left = 3; ; left--) {
    const code = written(`${group}/cgroup.subtree_control`, `+${controller}`)
    if (code === null) return null
    if (code === 'ENOENT' || code === 'EINVAL') return notThere(controller)
    if (code !== 'EBUSY' || left === 0) return `${group} refuses it: ${code}`
    standAside(group)
  }
}

/** Moves the group's own processes, such as the agent's, one level down. It is repeated while they fork. */
function standAside(group: string): void {
  if (!existsSync(`${group}/${aside}`)) mkdirSync(`${group}/${aside}`)
  for (const pid of (read(`${group}/cgroup.procs`) ?? '').split('\n').filter(Boolean))
    written(`${group}/${aside}/cgroup.procs`, pid)
}

/** Null, or the code of the error. A file that is not there is never made. */
export function written(file: string, text: string): string | null {
  try {
    writeFileSync(file, text, { flag: 'r+' })
    return null
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown'
  }
}

/** This process's own group in the hierarchy of version 1 that has the controller; null when none has. */
function firstPlace(amount: Amount, { mountinfo, cgroup }: Texts): Place | null {
  for (const line of mountinfo.split('\n')) {
    const [fields = '', rest = ''] = line.split(' - ')
    const [kind, , options = ''] = rest.split(' ')
    if (kind !== 'cgroup' || !options.split(',').includes(amount)) continue
    const [, , , root = '/', mount = ''] = fields.split(' ')
    const own = ownPath(cgroup, amount)
    // In a container the mount may show only a part of the hierarchy.
    const path = own !== null && root !== '/' && `${own}/`.startsWith(`${root}/`) ? own.slice(root.length) : own
    const directory = `${mount}${path === null || path === '/' ? '' : path}`
    return { version: 1, directory: existsSync(directory) ? directory : mount }
  }
  return null
}

function ownPath(cgroup: string, amount: Amount): string | null {
  for (const line of cgroup.split('\n')) {
    const [, names = '', ...path] = line.split(':')
    if (names.split(',').includes(amount)) return path.join(':')
  }
  return null
}

function notThere(controller: string): string {
  return `the kernel has no ${controller} controller here`
}

function read(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    return goneOrHidden(error)
  }
}
