/** An instance: what it has, what it offers for placement, what keeps it from working. */
import { Permanent } from '../../base/errors.ts'
import { partsOf } from '../../base/names.ts'
import { shellWord } from '../../base/printable.ts'
import { bytes, percent } from '../../operate/figures/words.ts'
import type { InstanceStatus } from '../../operate/status/instances.ts'
import type { PartitionStatus } from '../../operate/status/partitions.ts'
import { html } from '../html.ts'
import { bar, countStates } from '../states.ts'
import { view } from '../view.ts'
import { button, facts, machineLink, partitionRows, section, serviceLink, time } from './pieces.ts'

export interface InstanceView {
  readonly service: string
  readonly node: string
  readonly status: InstanceStatus
  /** As its member key says; null when it is no member. */
  readonly member: {
    readonly lease: number
    readonly grace: number
    readonly maxPartitions: number | null
    readonly roster: number
    readonly meta: Readonly<Record<string, string>>
    readonly datacenter: string
    readonly tags: readonly string[]
  } | null
  readonly partitions: readonly PartitionStatus[]
  /** Its state directory is on the machine of this page. */
  readonly here: boolean
}

export const instance = view<InstanceView>({
  path: '/instance',
  asks: ['service*', 'instance*'],
  about: 'One instance: its state, what it has, what it offers for placement.',
  command: ({ service = '' }) => `watchbill status ${shellWord(service)}`,
  title: ({ service = '', instance = '' }) => `${instance} of ${service}`,
  async data({ sight, here, query: { service = '', instance = '' } }) {
    const { status, cluster } = await sight.whole(service)
    const found = status.instances.find(one => one.instance === instance)
    if (found === undefined)
      throw new Permanent(
        `cannot show ${instance}: ${service} has no such instance; see watchbill status ${shellWord(service)}`,
      )
    const member = cluster.members.find(one => one.instance === instance)
    const { meta = {}, datacenter = '', tags = [] } = member?.offers ?? {}
    return {
      service,
      node: partsOf(instance).node,
      status: found,
      member: member
        ? {
            ...{ lease: member.lease, grace: member.grace, maxPartitions: member.maxPartitions },
            ...{ roster: member.roster, meta, datacenter, tags },
          }
        : null,
      partitions: status.partitions.filter(one => one.instance === instance),
      here: here.instances().names.includes(instance),
    }
  },
  html({ service, node, status, member, partitions, here }) {
    const { instance, state, held, assigned, weight, why, figures } = status
    const meta = Object.entries(member?.meta ?? {}).map(([name, value]) => `${name}=${value}`)
    return html`<p class="summary"><span class="${state === 'member' ? 'well' : 'unwell'}">${state}</span>${why && html`: ${why}`}</p>
${bar(countStates(partitions))}
${facts([
  ['service', serviceLink(service)],
  ['machine', machineLink(node)],
  ['holds, should hold', `${held}, ${assigned}`],
  ['weight', weight],
  ['at most', member?.maxPartitions ?? '-'],
  ['lease, grace', member ? `${member.lease / 1000} s, ${member.grace / 1000} s` : '-'],
  ['lease margin', figures?.margin == null ? '-' : `${Math.round(figures.margin)} ms`],
  ['processors', figures === null ? '-' : `${percent(figures.cpu)} %`],
  ['memory', figures === null ? '-' : bytes(figures.memory)],
  ['restarts', figures?.restarts ?? '-'],
  ['as of', time(figures?.at ?? null)],
  ['attributes', meta.join(', ') || '-'],
  ['tags', member?.tags.join(', ') || '-'],
  ['data center', member?.datacenter || '-'],
  ['roster version', member?.roster ?? '-'],
])}
${here && html`<section aria-labelledby="curves"><h2 id="curves">The last hour</h2><div class="curves" data-curves="${JSON.stringify({ service, instance })}"></div></section>`}
${section('partitions', 'Its partitions', partitionRows(service, partitions))}
${section('change', 'Change', html`<div class="acts">${button('drain', 'Drain', { service, instance })}${button('undrain', 'Let it take part again', { service, instance })}${button('evict', 'Evict', { service, instance })}</div>`)}`
  },
})
