/**
 * The short summary of an instance's figures that other machines read. It does not stand below the service's own keys:
 * the index of those tells every instance whether a look is needed, and this is written all the time.
 */
import { isMoment } from '../base/clock.ts'
import { encode } from '../base/names.ts'

/** The most bytes of a summary. */
export const mostSummary = 4096

export interface Summary {
  /** Wall clock, ISO. */
  readonly at: string
  /** How many partitions are here, the processors and the bytes that they use together, and their restarts. */
  readonly partitions: number
  readonly cpu: number
  readonly memory: number
  readonly restarts: number
  /** The last tick, the time it left of the lease, and Consul's slowest answer to it, ms. */
  readonly tick: number
  readonly margin: number | null
  readonly consul: number
  /** Of as many partitions as there is room for, the busiest first: processors, bytes, restarts. */
  readonly partition: Readonly<Record<string, readonly [cpu: number, memory: number, restarts: number]>>
}

export function figuresRoot(service: string): string {
  return `watchbill/.figures/${encode(service)}/`
}

export function figuresKey(service: string, instance: string): string {
  return `${figuresRoot(service)}${encode(instance)}`
}

/** @param busiest the busiest first; those without room are left out */
export function summaryText(
  { partition: _, ...summary }: Summary,
  busiest: readonly (readonly [id: string, ...Summary['partition'][string]])[],
): string {
  const head = JSON.stringify(summary).slice(0, -1)
  const parts: string[] = []
  let room = mostSummary - Buffer.byteLength(head) - ',"partition":{}}'.length
  for (const [id, ...numbers] of busiest) {
    const part = `${JSON.stringify(id)}:${JSON.stringify(numbers)}`
    room -= Buffer.byteLength(part) + 1
    if (room < 0) break
    parts.push(part)
  }
  return `${head},"partition":{${parts.join(',')}}}`
}

/** Null when it is not one: anybody may have written it. */
export function parseSummary(text: string | null): Summary | null {
  try {
    const { at, partitions, cpu, memory, restarts, tick, margin, consul, partition } = JSON.parse(text ?? 'null')
    const numbers = [partitions, cpu, memory, restarts, tick, consul]
    if (typeof at !== 'string' || !isMoment(Date.parse(at)) || !numbers.every(isFigure)) return null
    if (margin !== null && !isFigure(margin)) return null
    const rows = Object.entries(partition ?? {}).filter(([, row]) => {
      return Array.isArray(row) && row.length === 3 && row.every(isFigure)
    })
    const own = Object.assign(Object.create(null), Object.fromEntries(rows)) as Summary['partition']
    return { at: new Date(at).toISOString(), partitions, cpu, memory, restarts, tick, margin, consul, partition: own }
  } catch {
    return null
  }
}

function isFigure(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}
