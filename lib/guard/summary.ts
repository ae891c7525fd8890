/** Writes the summary of this instance's figures into Consul, for rules and for other machines. */
import { encode } from '../base/names.ts'
import type { Consul } from '../consul/http.ts'
import { base64, transact } from '../consul/kv.ts'
import { figuresKey, type Summary, summaryText } from '../keys/figures.ts'
import { recentOf } from '../state/figures/recent.ts'
import type { Row } from '../state/figures/ring.ts'
import { workerName } from '../state/figures/rings.ts'
import { isActive, type Local } from '../state/local.ts'
import type { InstanceFiles } from '../state/paths.ts'
import type { Self } from '../state/self.ts'

/** @throws Temporary when Consul does not take it in time; Denied when the token may not write it */
export async function publish(
  consul: Consul,
  { service, instance, files }: Self,
  local: ReadonlyMap<string, Local>,
  row: Row,
  now: number,
): Promise<void> {
  const Value = base64(summaryOf(files, local, row, now))
  await transact(consul, [{ Verb: 'set', Key: figuresKey(service, instance), Value }])
}

export function summaryOf(files: InstanceFiles, local: ReadonlyMap<string, Local>, row: Row, now: number): string {
  const here = [...local].filter(([, one]) => isActive(one))
  const hasWorker = here.some(([, { home }]) => home === files.worker.directory)
  const parts = here.flatMap(([id]) => partOf(files, id, encode(id), now))
  const all = hasWorker ? [...parts, ...partOf(files, workerName, workerName, now)] : parts
  const sum = (at: 1 | 2 | 3) => all.reduce((so, part) => so + part[at], 0)
  const { tick_ms: tick = 0, margin_ms: margin = null, consul_ms: consul = 0 } = row.figures
  const summary: Summary = {
    at: new Date().toISOString(),
    partitions: here.length,
    ...{ cpu: rounded(sum(1)), memory: sum(2), restarts: sum(3) },
    ...{ tick: Math.round(tick), margin, consul: Math.round(consul), partition: {} },
  }
  return summaryText(
    summary,
    all.sort((a, b) => b[1] - a[1] || b[2] - a[2]),
  )
}

type Part = [id: string, cpu: number, memory: number, restarts: number]

function partOf(files: InstanceFiles, id: string, name: string, now: number): Part[] {
  const recent = recentOf(files, name, now)
  if (recent === null) return []
  const { memory = 0, restarts = 0 } = recent.row.figures
  return [[id, rounded(recent.cores ?? 0), memory, restarts]]
}

function rounded(cores: number): number {
  return Math.round(cores * 1000) / 1000
}
