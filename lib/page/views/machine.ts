/** A machine: all services on it, and what `doctor` can say of its agent from here. */

import { Permanent } from '../../base/errors.ts'
import { partsOf } from '../../base/names.ts'
import type { InstanceStatus } from '../../operate/status/instances.ts'
import { agentFindings } from '../here/findings.ts'
import { html } from '../html.ts'
import { view } from '../view.ts'
import { instanceLink, section, serviceLink, tableOf } from './pieces.ts'

export interface MachineView {
  readonly node: string
  readonly instances: readonly (InstanceStatus & { readonly service: string })[]
  /** Of the agent that this page asks, when that is this machine's; null for any other. */
  readonly findings: readonly { readonly level: string; readonly sentence: string; readonly todo: string }[] | null
}

export const machine = view<MachineView>({
  path: '/machine',
  asks: ['node*'],
  about: 'One machine: the instances of all services on it, and what can be said of its agent.',
  command: () => 'watchbill doctor',
  title: ({ node = '' }) => node,
  async data({ sight, query: { node = '' } }) {
    const instances = (await sight.all()).flatMap(({ status }) =>
      status.instances.flatMap(one =>
        partsOf(one.instance).node === node ? [{ service: status.service, ...one }] : [],
      ),
    )
    const agent = await sight.agent()
    const isOwn = !('unknown' in agent) && agent.node === node
    if (instances.length === 0 && !isOwn)
      throw new Permanent(
        `cannot show ${node}: no instance of any service is on a machine of that name; see consul members`,
      )
    return { node, instances, findings: isOwn ? agentFindings(agent) : null }
  },
  html({ node, instances, findings }) {
    const rows = instances.map(({ service, instance, state, held, assigned, why }) => [
      instanceLink(service, instance),
      serviceLink(service),
      html`<span class="${state === 'member' ? 'well' : 'unwell'}">${state}</span>`,
      ...[held, assigned, why],
    ])
    const found = (findings ?? []).map(
      ({ level, sentence, todo }) =>
        html`<li class="${level === 'ok' ? 'well' : 'unwell'}">${level}: ${sentence}${todo && `; ${todo}`}</li>`,
    )
    const other = `The findings of another machine are there: watchbill doctor on ${node}`
    return html`${section('instances', 'Instances', rows.length === 0 ? html`<p>none</p>` : tableOf('instances', ['Instance', 'Service', 'State', 'Holds', 'Should', 'Why'], rows))}
${section('doctor', 'Its agent', findings === null ? html`<p>${other}</p>` : html`<ul class="findings">${found}</ul><p>What needs this machine's files and units: <code data-copy>watchbill doctor</code></p>`)}`
  },
})
