/** The demo's verdict, from the workers' own beats and ledgers alone. */
import { readFileSync } from 'node:fs'
import { type Beat, overlapSeconds, owners, runs } from '../../test/lab/beats.ts'
import type { Event } from './story.ts'

export interface Summary {
  readonly partitions: number
  readonly moves: number
  /** The fewest moves that keep the loads within 1 of each other through all events. */
  readonly leastMoves: number
  /** The longest that a partition was idle when it was handed over. */
  readonly handoverSeconds: number
  /** From the kill to the first beat of the last partition that was taken over. */
  readonly takeoverSeconds: number
  readonly overlapSeconds: number
  readonly unowned: readonly string[]
}

export function summarise(beats: Beat[], partitions: readonly string[], events: readonly Event[]): Summary {
  const final = owners(beats)
  const changes = changesOf(beats)
  const during = (event: Event) => changes.filter(({ at }) => at >= event.from && at <= event.to)
  const deaths = events.filter(({ death }) => death)
  const handovers = events.filter(({ death }) => !death).flatMap(during)
  return {
    partitions: partitions.length,
    moves: changes.length,
    leastMoves: events.slice(1).reduce((sum, event) => sum + leastMoves(owners(beats, event.from), event.members), 0),
    handoverSeconds: longest(handovers.map(({ idle }) => idle)),
    takeoverSeconds: longest(deaths.flatMap(event => during(event).map(({ at }) => at - event.from))),
    overlapSeconds: overlapSeconds(beats),
    unowned: partitions.filter(partition => !final.get(partition)),
  }
}

function longest(milliseconds: readonly number[]): number {
  return Math.max(0, ...milliseconds) / 1000
}

/** Each time a partition went on under another instance, and how long it was idle before. */
function changesOf(beats: Beat[]): { at: number; idle: number }[] {
  const byPartition = Map.groupBy(runs(beats), ({ partition }) => partition)
  return [...byPartition.values()].flatMap(list =>
    list.flatMap((run, i) => {
      const before = list[i - 1]
      return before && before.instance !== run.instance ? [{ at: run.from, idle: run.from - before.to }] : []
    }),
  )
}

/** What members hold beyond their share must move, and so must all that is held by no member. */
function leastMoves(before: ReadonlyMap<string, string | null>, members: readonly string[]): number {
  const loads = members.map(member => [...before.values()].filter(owner => owner === member).length)
  const held = loads.reduce((sum, load) => sum + load, 0)
  const share = Math.floor(before.size / members.length)
  const larger = before.size % members.length
  // The ones with one more are best those that hold most.
  const kept = loads.sort((a, b) => b - a).map((load, i) => Math.min(load, i < larger ? share + 1 : share))
  return before.size - held + (held - kept.reduce((sum, load) => sum + load, 0))
}

/** Lines that every ledger holds; a number that is missing or there twice is work lost or done twice. */
export function ledgerFaults(files: readonly string[]): { lines: number; faults: number } {
  let lines = 0
  let faults = 0
  for (const file of files) {
    const numbers = readFileSync(file, 'utf8').trimEnd().split('\n').map(Number.parseFloat)
    lines += numbers.length
    faults += numbers.filter((number, i) => number !== i + 1).length
  }
  return { lines, faults }
}
