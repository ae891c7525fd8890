/** All services, a row each. */
import type { Status } from '../../operate/status/status.ts'
import { html } from '../html.ts'
import { bar, countStates, type State } from '../states.ts'
import { view } from '../view.ts'
import { serviceLink, tableOf } from './pieces.ts'

export interface Services {
  readonly services: readonly ServiceRow[]
}

export interface ServiceRow {
  readonly service: string
  readonly title: string | null
  readonly ok: boolean
  readonly summary: string
  readonly problems: readonly string[]
  readonly remark: string | null
  readonly partitions: number
  readonly members: number
  readonly states: Partial<Record<State, number>>
}

export function rowOf({ service, title, ok, summary, problems, remark, partitions, instances }: Status): ServiceRow {
  const members = instances.filter(({ state }) => state === 'member').length
  const states = countStates(partitions)
  return { service, title, ok, summary, problems, remark, partitions: partitions.length, members, states }
}

export const services = view<Services>({
  path: '/',
  asks: [],
  about: 'All services: partitions by state, members, problems.',
  command: () => 'watchbill status',
  title: () => 'Services',
  data: async ({ sight }) => ({ services: (await sight.all()).map(({ status }) => rowOf(status)) }),
  html({ services }) {
    if (services.length === 0) return html`<p>watchbill keeps no service here yet</p>`
    const rows = services.map(one => [
      html`${serviceLink(one.service)}${one.title && html`<br><small>${one.title}</small>`}`,
      one.ok ? html`<span class="well">well</span>` : html`<span class="unwell">not well</span>`,
      bar(one.states),
      one.members,
      html`${one.summary}${[...one.problems, ...(one.remark ? [one.remark] : [])].map(problem => html`<br>${problem}`)}`,
    ])
    return tableOf('services', ['Service', 'State', 'Partitions', 'Members', 'In words'], rows)
  },
})
