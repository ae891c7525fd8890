/**
 * Services beside the ordinary one, on the same hosts, whose partitions may run twice while a host is cut off: what they may do,
 * and whether they did. The ordinary one is judged as ever.
 */
import { join } from 'node:path'
import { type Beat, describeOverlap, overlaps, owners, runs, type Span } from '../lab/beats.ts'
import type { DefinitionFile } from '../lab/install.ts'

const script = join(import.meta.dirname, 'worker.pl')
const count = 3

/** The service that goes on while cut off. */
const keeping = 'cache'
/** The service with a stand-in, which beats as a partition of its own. */
const standing = 'relay'
const standIn = `${standing}/stand-in`

/** @param like lease, grace and guard of the ordinary service */
export function besideServices(folder: string, like: Pick<DefinitionFile, string>): DefinitionFile[] {
  const work = `perl ${script} "$1/beats" "$1/store"; exit`
  const run = { command: ['/bin/sh', '-c', work, 'worker', folder] }
  const { lease, stop, guard } = like
  const common = { partitions: { range: [0, count - 1] }, run, lease, stop, guard }
  const alone = `WATCHBILL_PARTITION=stand-in WATCHBILL_TOKEN=1 ${work}`
  const stand = { run: ['/bin/sh', '-c', alone, 'worker', folder] }
  return [
    { name: keeping, id: keeping, ...common, whenIsolated: 'keep' } as DefinitionFile,
    { name: standing, id: standing, ...common, whenIsolated: stand } as DefinitionFile,
  ]
}

export function partitionsBeside(): string[] {
  return [keeping, standing].flatMap(range)
}

/** What was done to a host, and when it was over. */
export interface Struck extends Span {
  readonly instance: string
  /** Nothing reaches it and it reaches nobody: what runs there must go on. */
  readonly isCut: boolean
}

/** How long after the end of a fault a process may run beside its successor, ms: its host finds Consul, a tick, and G. */
const rejoinWithin = 25_000

/** How long they ran twice, ms, and one sentence for each thing that is wrong. */
export function judgeBeside(beats: Beat[], struck: readonly Struck[]): { twice: number; faults: string[] } {
  const of = (name: string) => beats.filter(({ partition }) => partition.startsWith(`${name}/`))
  const own = of(keeping)
  const all = runs(own)
  const twice = overlaps(own, all)
  const may = ({ from, to }: Span, instances: readonly string[]) =>
    struck.some(one => from >= one.from - 1000 && to <= one.to + rejoinWithin && instances.includes(one.instance))
  const tooLong = twice.filter(
    one =>
      !may(
        one,
        one.runs.map(({ instance }) => instance),
      ),
  )
  const end = own.at(-1)?.at ?? 0
  const final = owners(own)
  const still = twice.filter(({ to }) => to > end - 500)
  const stopped = struck
    .filter(({ isCut }) => isCut)
    .flatMap(({ instance, from, to }) =>
      all.filter(run => run.instance === instance && run.from < from - 500 && run.to > from && run.to < to - 200),
    )
  return {
    twice: twice.reduce((sum, { from, to }) => sum + to - from, 0),
    faults: [
      ...tooLong.map(one => `${describeOverlap(one)}: not while cut off`),
      ...still.map(one => `${describeOverlap(one)}: also at the end`),
      ...judgeStandIn(of(standing), struck),
      ...range(keeping)
        .filter(name => !final.get(name))
        .map(name => `${name} has no owner at the end`),
      ...stopped.map(({ partition, instance, to }) => `${partition} ended at ${to} on ${instance}, which was cut off`),
    ],
  }
}

/** What may still end: a process that goes on beside its successor, a stand-in. One sentence each. */
export function unsettledBeside(beats: Beat[]): string[] {
  const end = beats.at(-1)?.at ?? 0
  const own = beats.filter(({ partition }) => /^(cache|relay)\//.test(partition))
  const stands = runs(own).filter(run => run.partition === standIn && run.to > end - 500)
  const still = overlaps(own).filter(({ to, partition }) => partition !== standIn && to > end - 500)
  return [...still.map(describeOverlap), ...stands.map(({ instance }) => `the stand-in of ${instance} runs`)]
}

function range(name: string): string[] {
  return Array.from({ length: count }, (_, id) => `${name}/${id}`)
}

/** After which a stand-in must run on a host that is cut off, ms: its lease, and some ticks. */
const standsWithin = 12_000

/** Never two owners; a stand-in on a host that is cut off for long enough, never beside a partition of its instance, none in the end. */
function judgeStandIn(beats: Beat[], struck: readonly Struck[]): string[] {
  const all = runs(beats)
  const stands = all.filter(run => run.partition === standIn)
  const ordinary = all.filter(run => run.partition !== standIn)
  const beside = stands.flatMap(one =>
    ordinary.filter(run => run.instance === one.instance && run.from < one.to && one.from < run.to),
  )
  const end = beats.at(-1)?.at ?? 0
  const missing = struck.filter(({ isCut, instance, from, to }) => {
    const own = `${instance.split(':')[0]}:${standing}`
    const isIn = (run: Span & { readonly instance: string }) => run.instance === own && run.from > from && run.from < to
    return isCut && to - from > standsWithin && !stands.some(isIn)
  })
  const final = owners(beats)
  return [
    ...overlaps(beats, ordinary).map(describeOverlap),
    ...beside.map(run => `${run.partition} ran on ${run.instance} beside its stand-in, at ${run.from}`),
    ...stands.filter(({ to }) => to > end - 500).map(run => `the stand-in of ${run.instance} runs also at the end`),
    ...missing.map(({ instance }) => `no stand-in ran on ${instance.split(':')[0]}, which was cut off`),
    ...range(standing)
      .filter(name => !final.get(name))
      .map(name => `${name} has no owner at the end`),
  ]
}
