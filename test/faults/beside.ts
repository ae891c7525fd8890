/**
 * Services beside the ordinary one, on the same hosts, whose partitions may run twice while a host is cut off: what they may do,
 * and whether they did. The ordinary one is judged as ever.
 */
import { join } from 'node:path'
import { type Beat, describeOverlap, overlaps, owners, runs, type Span } from '../lab/beats.ts'
import type { DefinitionFile } from '../lab/install.ts'

const script = join(import.meta.dirname, 'worker.pl')
const count = 3

/** Where they beat: the name of the service that goes on while cut off. */
export const keeping = 'cache'

/** @param like lease, grace and guard of the ordinary service */
export function besideServices(folder: string, like: Pick<DefinitionFile, string>): DefinitionFile[] {
  const work = `exec perl ${script} "$1/beats" "$1/store"`
  const run = { command: ['/bin/sh', '-c', work, 'worker', folder] }
  const { lease, stop, guard } = like
  const common = { partitions: { range: [0, count - 1] }, run, lease, stop, guard }
  return [{ name: keeping, id: keeping, ...common, whenIsolated: 'keep' } as DefinitionFile]
}

export function partitionsBeside(): string[] {
  return Array.from({ length: count }, (_, id) => `${keeping}/${id}`)
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
  const own = beats.filter(({ partition }) => partition.startsWith(`${keeping}/`))
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
      ...partitionsBeside()
        .filter(name => !final.get(name))
        .map(name => `${name} has no owner at the end`),
      ...stopped.map(({ partition, instance, to }) => `${partition} ended at ${to} on ${instance}, which was cut off`),
    ],
  }
}
