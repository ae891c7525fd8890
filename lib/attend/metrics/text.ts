/** Metrics as text: Prometheus' format 0.0.4, which node_exporter reads too, or OpenMetrics 1.0. Pure. */

export interface Metric {
  /** With its unit, and `_total` for a counter. */
  readonly name: string
  readonly type: string
  readonly help: string
  readonly samples: readonly {
    /** The whole name, where it is longer: `name_bucket`. */
    readonly name?: string
    /** As they stand between the braces; '' for none. */
    readonly labels: string
    readonly value: number
  }[]
}

export const contentTypes = {
  plain: 'text/plain; version=0.0.4; charset=utf-8',
  open: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
} as const
export type Format = keyof typeof contentTypes

/** Metrics without a sample are left out. */
export function textOf(metrics: readonly Metric[], format: Format): string {
  const blocks = metrics.filter(({ samples }) => samples.length > 0).map(metric => blockOf(metric, format))
  return [...blocks, ...(format === 'open' ? ['# EOF\n'] : [])].join('')
}

function blockOf({ name, type, help, samples }: Metric, format: Format): string {
  // OpenMetrics names the family, without `_total`; the older format names the samples.
  const family = format === 'open' && type === 'counter' ? name.replace(/_total$/, '') : name
  const kind = format === 'open' && type === 'untyped' ? 'unknown' : type
  const head = [...(help === '' ? [] : [`# HELP ${family} ${escaped(help)}`]), `# TYPE ${family} ${kind}`]
  const lines = samples.map(
    one => `${one.name ?? name}${one.labels === '' ? '' : `{${one.labels}}`} ${number(one.value)}`,
  )
  return `${[...head, ...lines].join('\n')}\n`
}

function number(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  return Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : '-Inf'
}

function escaped(help: string): string {
  return help.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')
}

/** `service="work",node="n1"` */
export function labelsOf(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${value.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n')}"`)
    .join(',')
}
