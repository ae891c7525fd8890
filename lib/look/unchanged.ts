/**
 * Whether a look would show anything that the last one did not. Consul's index of the service's keys, and of its health,
 * is asked before a look, and again instead of the next ones: a hundred bytes each, however many keys there are. When in
 * doubt, something has changed.
 */
import { bootId } from '../base/clock.ts'
import { digest } from '../base/digest.ts'
import { keysOf } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { healthIndex } from '../consul/instances.ts'
import { indexOf, mustBeReadable, unwritten } from '../consul/kv.ts'
import { readFact, writeFact } from '../state/facts.ts'
import type { Local } from '../state/local.ts'
import type { InstanceFiles } from '../state/paths.ts'
import type { Self } from '../state/self.ts'

/**
 * So old the last look may be, ms. It bounds what no index shows: a permission that was taken away; a deletion whose
 * tombstone was reaped since (after 15 min); a restored snapshot that came to the same numbers.
 */
const longest = 300_000

/** Looks that were made at once are not made at once again, ms. */
const spread = 60_000

/**
 * Of the keys of the service, before a look. All have one index, also those that no look reads: there are few of those,
 * and nobody writes them while nothing happens.
 */
export function keysIndex(consul: Consul, service: string): Promise<string> {
  return indexOf(consul, keysOf(service).root)
}

/** Equal lines say that nothing has changed between the two. @param keys, health the indexes */
export function changeLine(consul: Consul, keys: string, health: string): string {
  return [whoAsks(consul), keys, health].join(' ')
}

/** Another token, or another Consul, may show something else. Neither can be learnt from this. */
function whoAsks({ address: { origin, socketPath, token, auth } }: Consul): string {
  return digest(JSON.stringify([bootId(), origin, socketPath, token, auth]))
}

/** What a look has found that may rest: nothing to do, and nothing that time alone brings. */
export interface Rest {
  /** As it was before the look. */
  readonly line: string
  /** When the look began, boot clock, ms. */
  readonly looked: number
  readonly local: ReadonlyMap<string, Local>
}

export function writeRest(files: InstanceFiles, { line, looked, local }: Rest): void {
  writeFact(files.rest, `${bootId()} ${looked} ${localLine(local)} ${line}`)
}

/** Whether the last look may still stand for the next one. @param local the same facts now */
export function mayRest(files: InstanceFiles, local: ReadonlyMap<string, Local>, now: number): boolean {
  const [boot, looked, here] = readFact(files.rest)?.split(' ') ?? []
  const age = now - Number(looked)
  return boot === bootId() && age >= 0 && age < longest - (Number(looked) % spread) && here === localLine(local)
}

/** @throws Temporary when Consul does not answer; Denied when the token may no longer read what a look reads */
export async function isUnchanged(consul: Consul, self: Self): Promise<boolean> {
  const { locks, members, spec, restarts, coolDowns, proposals, partitions } = keysOf(self.service)
  // No index tells of a permission that is taken away.
  await mustBeReadable(consul, [locks, members, spec, restarts, coolDowns, proposals, partitions].map(unwritten))
  const health = await healthIndex(consul, self.service, self)
  if (health === null) return false
  const line = changeLine(consul, await keysIndex(consul, self.service), health)
  return readFact(self.files.rest)?.split(' ').slice(3).join(' ') === line
}

/** The local facts that a plan depends on. A proof that grows changes nothing. */
function localLine(local: ReadonlyMap<string, Local>): string {
  return digest([...local].map(([id, one]) => [id, ...factsOf(one)].join(' ')).join('\n'))
}

function factsOf(one: Local): unknown[] {
  const { acquisition, releasing, index, shepherd, process, status, unready, stays } = one
  const states = [one.pinned, one.aheadOfClock, one.whole, one.leaseRuns, one.stopped, one.restart].map(Number)
  return [acquisition, releasing, index, shepherd?.pid, process?.pid, status, unready, stays, states.join('')]
}
