/** What an instance has to do for roll-outs and versions beside its own partitions. Pure. */
import { isUnderWay } from '../keys/roll.ts'
import { neededVersions } from '../keys/versions.ts'
import type { Snapshot } from '../look/snapshot.ts'

export interface RollWork {
  /** It has the roll-out of the service go on. */
  readonly leads: boolean
  /** Versions that it has yet to prepare, and those that it may clean; the oldest first. */
  readonly prepare: readonly string[]
  readonly clean: readonly string[]
  /** Its member key names a version that it could not prepare, and that nobody wants any more. */
  readonly forgets: boolean
}

const nothing: RollWork = { leads: false, prepare: [], clean: [], forgets: false }

export function rollWork(snapshot: Snapshot): RollWork {
  const { settings, definition } = snapshot
  if (settings.roll === undefined && definition.versions?.prepare === undefined) return nothing
  const failed = snapshot.own?.failed
  const forgets = failed !== undefined && !wanted(snapshot).includes(failed.version)
  return { leads: leads(snapshot), prepare: toPrepare(snapshot), clean: toClean(snapshot), forgets }
}

export function isAnythingDue({ leads, prepare, clean, forgets }: RollWork): boolean {
  return leads || forgets || prepare.length + clean.length > 0
}

/** The first by name of those that know roll-outs does it for all. */
function leads({ settings, members, instance, session }: Snapshot): boolean {
  if (settings.roll === undefined || session === null) return false
  const able = members.filter(
    ({ rolls, absence }) => rolls && !['leaving', 'not passing', 'not registered'].includes(absence ?? ''),
  )
  return able.some(one => one.instance === instance) && able.every(one => instance <= one.instance)
}

/** The versions that may be started here now, or next. */
function wanted({ settings, roll, definition }: Snapshot): string[] {
  const next = isUnderWay(roll, settings) && roll.to !== null ? [roll.to] : []
  return [...new Set([...neededVersions(settings, definition.versions?.first), ...next])]
}

function toPrepare(snapshot: Snapshot): string[] {
  const { own } = snapshot
  return own === undefined ? [] : wanted(snapshot).filter(version => !own.prepared.includes(version))
}

/** Never during a roll-out: what it leaves may be wanted back. */
function toClean(snapshot: Snapshot): string[] {
  const { own, settings, locks, definition } = snapshot
  if (own === undefined || settings.roll !== undefined) return []
  const used = new Set([...wanted(snapshot), ...[...locks.values()].flatMap(({ held }) => held?.version ?? [])])
  const unused = own.prepared.filter(version => !used.has(version))
  return unused.slice(0, Math.max(0, unused.length - (definition.versions?.keep ?? 0)))
}
