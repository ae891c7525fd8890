/** What the next state of a roll-out is decided by: a look, what the holders have published, and for how long it has been so. */
import { bootClock } from '../base/clock.ts'
import { decode } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { trees } from '../consul/kv.ts'
import { firstSeen, healthOf } from '../keys/health.ts'
import { publishedBy } from '../keys/published.ts'
import { parseReport } from '../keys/report.ts'
import type { RollInForce } from '../keys/roll.ts'
import type { Cluster } from '../look/cluster.ts'
import type { View } from '../roll/next.ts'
import { type Unit, unitsOf } from '../roll/units.ts'
import type { SeenRoll } from './seen.ts'

export interface Viewed {
  readonly view: View
  readonly seen: SeenRoll
}

/** @param before what was seen so far @throws Temporary when Consul cannot be read */
export async function viewOf(consul: Consul, cluster: Cluster, roll: RollInForce, before: SeenRoll): Promise<Viewed> {
  const published = await publishedBy(consul, cluster.service)
  const reports = await trees(consul, [cluster.keys.reports])
  const now = bootClock()
  const health = firstSeen(before.health, published.health, now)
  const told = {
    health: healthOf(published.health, cluster.locks, health, now),
    reports: new Map(
      reports.flatMap(({ key, value }) => {
        const instance = decode(key.slice(cluster.keys.reports.length))
        return instance === null ? [] : [[instance, parseReport(value)] as const]
      }),
    ),
    leavesOut: new Set([...published.health].flatMap(([who, one]) => (one.health.leftOut > 0 ? [who] : []))),
  }
  const units = unitsOf(cluster, told, roll)
  const lives = livesOf(units, before, now)
  const age = (life: string) => now - (lives.get(life) ?? now)
  const view = {
    units,
    members: cluster.members,
    age,
    asked: new Set(cluster.restarts.keys()),
    at: new Date().toISOString(),
  }
  return { view, seen: { health, lives } }
}

/** Only of what may fail: what has the new version. */
function livesOf(units: readonly Unit[], { lives }: SeenRoll, now: number): Map<string, number> {
  const young = units.filter(unit => unit.covered && unit.notNew.length === 0 && unit.partitions.length > 0)
  return new Map(young.map(({ life }) => [life, lives.get(life) ?? now]))
}
