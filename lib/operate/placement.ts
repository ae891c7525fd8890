/** Shows the rules of placement in force, and puts those of a definition file in force, from any agent. */

import { Permanent } from '../base/errors.ts'
import { keysOf } from '../base/names.ts'
import { table } from '../base/table.ts'
import { byName } from '../base/text.ts'
import type { Consul } from '../consul/http.ts'
import { entriesAt } from '../consul/kv.ts'
import { loadDefinition } from '../definition/load.ts'
import type { Proposed } from '../definition/rules.ts'
import { changePlacement, noPlacement, type PlacementInForce, placementFrom, replacedBy } from '../keys/placement.ts'

/** @throws Permanent when the key is garbled */
export async function placementNow(consul: Consul, service: string): Promise<PlacementInForce> {
  const keys = keysOf(service)
  const [entry] = await entriesAt(consul, [keys.placement])
  const { placement, problem } = placementFrom(entry?.value ?? null, () => null)
  if (problem !== null)
    throw new Permanent(`cannot use ${keys.placement}: ${problem}; put good rules in force with apply`)
  return placement ?? noPlacement
}

export function placementJson({ rules, pins, digest, by, since }: PlacementInForce): string {
  return JSON.stringify({ rules, pins: Object.fromEntries(pins), digest, by, since })
}

/** One rule a line, as it stands in Consul; then the pins. */
export function placementLines({ rules, pins, digest, by, since }: PlacementInForce): string[] {
  const rows = Object.entries(rules).flatMap(([kind, list]) =>
    list.map((rule: unknown) => [kind, JSON.stringify(rule)]),
  )
  const pinned = [...pins].sort(([a], [b]) => byName(a, b)).map(([id, instance]) => ['pin', `${id} to ${instance}`])
  if (rows.length + pinned.length === 0) return ['no rule of placement is in force, and nothing is pinned']
  return [
    ...(digest === '' ? [] : [`in force: ${digest}, of ${by} since ${since}`]),
    ...table(['KIND', 'RULE'], [...rows, ...pinned]),
  ]
}

/**
 * @param file the path of a definition file
 * @returns whether they were other rules than before
 * @throws Permanent when the file is wrong, is of another service, or has no placement; Temporary when Consul is away
 */
export async function applyPlacement(consul: Consul, service: string, file: string, dryRun: boolean): Promise<boolean> {
  const proposed = await proposedIn(file, service)
  const now = { ...proposed, by: 'apply', since: new Date().toISOString() }
  if (dryRun) return (await placementNow(consul, service)).digest !== proposed.digest
  const { changed } = await changePlacement(
    consul,
    keysOf(service),
    before => (before?.digest === proposed.digest ? null : replacedBy(before, now)),
    true,
  )
  return changed
}

/** @throws Permanent */
export async function proposedIn(file: string, service: string): Promise<Proposed> {
  const { name, placement } = await loadDefinition(file)
  if (name !== service) throw new Permanent(`cannot use ${file}: it is the definition of ${name}, not of ${service}`)
  if (placement === undefined)
    throw new Permanent(`cannot use ${file}: it has no "placement"; to have no rules, write "placement": {}`)
  return placement
}
