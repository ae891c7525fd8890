/** A partition: who has it, since when and why, its process where that is on this machine, its checks, its log. */
import { Permanent } from '../../base/errors.ts'
import { shellWords } from '../../base/printable.ts'
import type { PartitionStatus } from '../../operate/status/partitions.ts'
import type { Whole } from '../../operate/status/status.ts'
import { logsLine } from '../../operate/status/words.ts'
import { mustBePartitions } from '../../program/operator.ts'
import type { Log, ProcessHere } from '../here/here.ts'
import { type Html, html } from '../html.ts'
import { sign } from '../states.ts'
import { type Query, type Seeing, view } from '../view.ts'
import { eventsPart } from './events.ts'
import { button, facts, form, instanceLink, section, serviceLink, time, whyOf } from './pieces.ts'

export interface PartitionView {
  readonly service: string
  readonly status: PartitionStatus
  /** The fencing token of the present holder; null when nobody holds it. */
  readonly token: string | null
  /** Of the acquisition, ms; null when nobody holds it. */
  readonly lease: number | null
  readonly grace: number | null
  readonly pinned: string | null
  readonly checks: { readonly status: string; readonly why: string } | null
  /** The other instances, for a pin. */
  readonly instances: readonly string[]
  /** Its process on the machine of this page; null when it runs elsewhere. */
  readonly here: ProcessHere | null
  readonly log: Log | null
  /** Where its log is, as a command. */
  readonly logs: string
  /** Why something of this machine cannot be shown; null when all can. */
  readonly problem: string | null
  /** Whether its document may be asked for. */
  readonly documents: boolean
}

export const partition = view<PartitionView>({
  path: '/partition',
  asks: ['service*', 'partition*'],
  about: 'One partition: its owner, its process, its checks, the end of its log.',
  command: ({ service = '', partition = '' }) => `watchbill owner --json ${shellWords(service, partition)}`,
  title: ({ service = '', partition = '' }) => `${partition} of ${service}`,
  data: async seeing => {
    const { service = '', partition = '' } = seeing.query
    return partitionView(await seeing.sight.whole(service), partition, seeing)
  },
  html: page,
  more: ({ sight, query: { service = '', partition = '' } }) => eventsPart(sight, service, partition),
})

/** @throws Permanent when there is no such partition */
export function statusIn({ status, cluster }: Whole, id: string): PartitionStatus {
  const found = status.partitions.find(one => one.partition === id)
  if (found === undefined) mustBePartitions('show', cluster.service, new Set(), [id])
  return found as PartitionStatus
}

function partitionView(whole: Whole, id: string, { here, shows }: Seeing): PartitionView {
  const { cluster, seen, status: all } = whole
  const status = statusIn(whole, id)
  const lock = cluster.locks.get(id)
  const held = lock?.session ? lock.held : null
  const checks = seen.get(id)
  const [process, problemOfProcess] = attempt(() =>
    status.instance === null ? null : here.process(status.instance, id),
  )
  const [log, problemOfLog] = attempt(() => (shows.logs ? here.log(cluster.service, id) : null))
  return {
    service: cluster.service,
    status,
    token: process?.token ?? null,
    lease: held?.lease ?? null,
    grace: held?.grace ?? null,
    pinned: cluster.placement?.pins.get(id) ?? null,
    checks: checks && checks.instance === status.instance ? { status: checks.status, why: checks.why } : null,
    instances: all.instances.map(({ instance }) => instance),
    here: process,
    log,
    logs: logsLine(cluster.service, id, status.instance),
    problem: problemOfProcess ?? problemOfLog,
    documents: shows.documents,
  }
}

/** What cannot be read here is no reason to show nothing. */
function attempt<T>(read: () => T): [T | null, string | null] {
  try {
    return [read(), null]
  } catch (error) {
    if (error instanceof Error && (error.name === 'Temporary' || error.name === 'Permanent'))
      return [null, error.message]
    throw error
  }
}

function page(data: PartitionView, { service = '', partition = '' }: Query): Html {
  const { status, token, lease, grace, pinned, checks, here } = data
  const { health } = status
  const ms = (value: number | null) => (value === null ? '-' : `${value / 1000} s`)
  const why = whyOf(status)
  return html`<p class="summary">${sign(status.state)} ${instanceLink(service, status.instance)}${why && html`: ${why}`}</p>
${facts([
  ['service', serviceLink(service)],
  ['owner', instanceLink(service, status.instance)],
  ['since', time(status.since)],
  ['process started', time(health?.started ?? null)],
  ['ready since', time(health?.ready ?? null)],
  ['restarts', here?.restarts ?? health?.restarts ?? '-'],
  ['lease, grace', `${ms(lease)}, ${ms(grace)}`],
  ['token', token ?? 'known on its machine'],
  ['pinned to', pinned ?? '-'],
  ['checks', checks === null ? 'none' : checks.why || checks.status],
  ['DNS', status.dns ?? '-'],
])}
${section('process', 'Process', processHtml(data))}
${here && html`<section aria-labelledby="curves"><h2 id="curves">The last hour</h2><div class="curves" data-curves="${JSON.stringify({ service, instance: here.instance, partition })}"></div></section>`}
${section('log', 'The end of its log', logHtml(data))}
${data.documents && section('document', 'Document', html`<button type="button" data-document="${JSON.stringify({ service, partition })}">Show the document</button><pre data-shown hidden></pre>`)}
${section('change', 'Change', buttons(data))}`
}

function processHtml({ here, status, problem, logs }: PartitionView): Html {
  const where = logs.split(': ')[0]
  if (here === null) {
    if (problem !== null) return html`<p class="remark">${problem}</p>`
    if (status.instance === null) return html`<p>nobody runs it</p>`
    return html`<p>It runs on another machine; its pid, its curves and its log are there (${where}).</p>`
  }
  return facts([
    ['pid', here.pid ?? '-'],
    ['shepherd', here.says ?? '-'],
    ['last exit', here.exit ?? '-'],
    ['lease left', here.leaseMs === null ? '-' : `${(here.leaseMs / 1000).toFixed(1)} s`],
  ])
}

function logHtml({ log, logs }: PartitionView): Html {
  const command = html`<p class="same"><code data-copy>${logs}</code></p>`
  if (log === null) return command
  const from = log.held
    ? html``
    : html`<p class="remark">It does not run here now: this is what an earlier run left.</p>`
  return html`${from}<pre class="log" tabindex="0" aria-label="the end of the log">${log.lines.join('\n') || 'nothing printed yet'}</pre>${command}`
}

function buttons({ service, status, pinned, instances }: PartitionView): Html {
  const one = { service, partitions: [status.partition] }
  const options = instances.map(name => html`<option>${name}</option>`)
  return html`<div class="acts">${button('restart', 'Restart', one)}${button('hold', 'Hold', one)}${button('unhold', 'Let go', one)}
${form('pin', 'Pin', one, html`<label>To <select name="instance">${options}</select></label>`)}${pinned !== null && button('unpin', 'Unpin', one)}</div>`
}

/** @throws Permanent when documents are not shown */
export function mustShow(shown: boolean, what: string): void {
  if (!shown) throw new Permanent(`cannot show ${what}: this page was started with --no-${what}`)
}
