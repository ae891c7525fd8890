/** What programs say of themselves, put together: a metric is one block, whichever partitions have it. Pure. */
import { labelsIn, type Own, type Sample } from '../../state/figures/own.ts'
import { labelsOf, type Metric } from './text.ts'

export interface Said {
  readonly own: Own
  /** Who says it. */
  readonly labels: Readonly<Record<string, string>>
}

type Samples = Metric['samples'][number]

const types = ['counter', 'gauge', 'histogram', 'summary', 'untyped']
/** The endings of samples that belong to a metric without them, by its type. */
const endings: Readonly<Record<string, RegExp>> = {
  histogram: /_(bucket|sum|count)$/,
  summary: /_(sum|count)$/,
  counter: /_total$/,
}

/** @param say is told of types that contradict each other: the first one stays, and what cannot be part of it is left out */
export function ownMetrics(all: readonly Said[], say: (line: string) => void): Metric[] {
  const blocks = new Map<string, { type: string; help: string; samples: Samples[] }>()
  const contradicted = new Set<string>()
  for (const { own, labels } of all) {
    for (const sample of own.samples) {
      const { name, type, help } = familyOf(sample, own)
      const block = blocks.get(name) ?? { type, help, samples: [] }
      blocks.set(name, block)
      if (block.type !== type && !contradicted.has(name)) {
        contradicted.add(name)
        say(`${name} is a ${block.type} of one partition and a ${type} of another`)
      }
      if (block.type !== type && sample.name !== name) continue
      const whole = sample.name === name ? {} : { name: sample.name }
      block.samples.push({ ...whole, labels: together(labels, sample.labels), value: sample.value })
    }
  }
  return [...blocks].flatMap(([name, block]) => {
    const wider = partOf(name, blocks)
    if (wider !== undefined) say(`${name} is a metric of one partition and a part of ${wider} of another`)
    return wider === undefined ? [{ name, ...block, samples: once(block.samples) }] : []
  })
}

/** The histogram or summary that a metric of this name would be read as a part of: node_exporter then refuses the page. */
function partOf(name: string, blocks: ReadonlyMap<string, { readonly type: string }>): string | undefined {
  const bases = ['histogram', 'summary'].map(type => [type, name.replace(endings[type] as RegExp, '')] as const)
  return bases.find(([type, base]) => base !== name && blocks.get(base)?.type === type)?.[1]
}

/** A program that says the same twice would spoil the whole page. */
function once(samples: readonly Samples[]): Samples[] {
  const sameLabels = (labels: string) => JSON.stringify(labelsIn(labels).sort(([a], [b]) => (a < b ? -1 : 1)))
  return [...new Map(samples.map(sample => [`${sample.name} ${sameLabels(sample.labels)}`, sample])).values()]
}

/** OpenMetrics describes a counter by its name without `_total`, the older format with it. */
function familyOf({ name }: Sample, { families }: Own): { name: string; type: string; help: string } {
  const own = families.get(name)
  if (own?.type !== undefined) return { name, type: known(own.type), help: own.help ?? '' }
  for (const [type, ending] of Object.entries(endings)) {
    const base = name.replace(ending, '')
    const found = base === name ? undefined : families.get(base)
    if (found?.type === type) return { name: type === 'counter' ? name : base, type, help: found.help ?? '' }
  }
  return { name, type: 'untyped', help: own?.help ?? '' }
}

function known(type: string): string {
  return types.includes(type) ? type : 'untyped'
}

/** A label of the program's that we have too is kept as `exported_…`, as Prometheus itself does. */
function together(labels: Readonly<Record<string, string>>, own: string): string {
  const theirs = labelsIn(own)
  const taken = new Set([...Object.keys(labels), ...theirs.map(([name]) => name)])
  const renamed = theirs.map(([name, value]) => {
    if (!Object.hasOwn(labels, name)) return [name, value] as const
    let free = `exported_${name}`
    while (taken.has(free)) free = `exported_${free}`
    return [free, value] as const
  })
  return labelsOf({ ...labels, ...Object.fromEntries(renamed) })
}
