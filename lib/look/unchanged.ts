/**
 * Whether a look would show anything that the last one did not. Consul's index of the service's keys, and of its health,
 * is asked before a look, and again instead of the next ones: the answers are small, however many keys there are. When in
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
 * The greatest age of a look that stands for the next one, ms. It limits how long a change is missed that no index shows: a
 * deletion whose tombstone was reaped since (after 15 min), or a restored snapshot that came to the same numbers.
 */
const longest = 300_000

/** Instances that looked at the same moment look again at different ones, within this time, ms. */
const spread = 60_000

/**
 * The index of all keys of the service. It also changes with keys that no look reads: there are few of those, and nobody
 * writes them while nothing happens.
 * @returns null when Consul does not tell it: that must keep nobody from looking
 */
export async function keysIndex(consul: Consul, service: string): Promise<string | null> {
  try {
    return await indexOf(consul, keysOf(service).root)
  } catch {
    return null // such as for a token that may list only single folders; a Consul that is away fails the look itself
  }
}

/** Equal lines say that nothing has changed between the two. @param keys, health the indexes */
export function changeLine(consul: Consul, keys: string, health: string): string {
  return [whoAsks(consul), keys, health].join(' ')
}

/** Another token, or another Consul, may show something else. The digest reveals neither. */
function whoAsks({ address: { origin, socketPath, token, auth } }: Consul): string {
  return digest(JSON.stringify([bootId(), origin, socketPath, token, auth]))
}

/** The record of a look that may stand for the next ones: it found nothing to do, and nothing that falls due later. */
export interface Rest {
  /** The line of what may have changed, from before the look. */
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
  const keys = await keysIndex(consul, self.service)
  if (health === null || keys === null) return false
  const line = changeLine(consul, keys, health)
  return readFact(self.files.rest)?.split(' ').slice(3).join(' ') === line
}

/** The local facts that a plan depends on. A proof that grows changes nothing. */
function localLine(local: ReadonlyMap<string, Local>): string {
  return digest([...local].map(([id, one]) => [id, ...factsOf(one)].join(' ')).join('\n'))
}

function factsOf(one: Local): unknown[] {
  const { acquisition, releasing, index, shepherd, process, status, unready, stays, warning } = one
  const states = [one.pinned, one.aheadOfClock, one.whole, one.leaseRuns, one.stopped, one.restart].map(Number)
  return [acquisition, releasing, index, shepherd?.pid, process?.pid, status, unready, stays, warning, states.join('')]
}
