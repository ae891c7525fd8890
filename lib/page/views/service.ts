/** A service: who has what, and what is wrong, in the words of `status`. */
import { shellWord } from '../../base/printable.ts'
import { bytes } from '../../operate/figures/words.ts'
import { isGood, type PartitionStatus } from '../../operate/status/partitions.ts'
import type { Status } from '../../operate/status/status.ts'
import { type Html, html, link } from '../html.ts'
import { bar, countStates } from '../states.ts'
import { type Query, view } from '../view.ts'
import { eventsPart } from './events.ts'
import { grid } from './grid.ts'
import { button, form, instanceLink, partitionRows, planLink, problems, section, tableOf } from './pieces.ts'
import { rollForm } from './roll.ts'

/** So many partitions stand in the list at a time. */
const perPage = 100

export const service = view<Status>({
  path: '/service',
  asks: ['service*', 'filter', 'problems', 'page', 'size'],
  about: 'One service, as `watchbill status --json` prints it.',
  command: ({ service = '' }) => `watchbill status ${shellWord(service)}`,
  title: ({ service = '' }) => service,
  data: async ({ sight, query: { service = '' } }) => (await sight.whole(service)).status,
  more: ({ sight, query: { service = '' } }) => eventsPart(sight, service),
  html(status, query) {
    const shown = chosen(status.partitions, query)
    const page = Math.min(Math.max(1, Number(query.page) || 1), Math.max(1, Math.ceil(shown.length / perPage)))
    const some = shown.slice((page - 1) * perPage, page * perPage)
    const bad = status.partitions.filter(one => !isGood(one)).length
    return html`<p class="summary">${status.summary}</p>
${bar(countStates(status.partitions))}
${problems(status.problems)}${problems(status.remark ? [status.remark] : [], 'remark')}${problems(status.advice ? [status.advice] : [], 'to do')}
${status.source && html`<p>the partitions are fetched by ${status.source.by}</p>`}
${section('who-has-what', 'Who has what', html`${filters(query, bad)}${grid(status, shown, query.size)}`)}
${section('instances', 'Instances', instanceRows(status))}
${section('partitions', 'Partitions', html`<p>${countWords(some.length, shown.length, status.partitions.length)}</p>${partitionRows(status.service, some)}${pages(query, page, shown.length)}`)}
${section('change', 'Change', buttons(status))}
${more(status)}`
  },
})

/** The views of what a service may have beside its partitions. */
function more({ service, scheduler }: Status): Html {
  const asking = scheduler !== null && html`<li><a href="${link('/ask', { service })}">Ask the scheduler</a></li>`
  return html`<ul><li><a href="${link('/roll', { service })}">Roll-out: versions, steps, progress</a></li>${asking}<li>${planLink(service)}</li></ul>`
}

function chosen(all: readonly PartitionStatus[], { filter = '', problems }: Query): readonly PartitionStatus[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean)
  const matches = ({ partition, instance, state }: PartitionStatus) => {
    const text = `${partition} ${instance ?? 'nobody'} ${state}`.toLowerCase()
    return words.every(word => text.includes(word))
  }
  return all.filter(one => (problems !== '1' || !isGood(one)) && matches(one))
}

function filters({ service = '', filter = '', problems, size = '' }: Query, bad: number): Html {
  const zoom = [
    ['', 'fit'],
    ['2', 'larger'],
    ['3', 'largest'],
  ] as const
  const options = zoom.map(
    ([value, word]) => html`<option value="${value}"${size === value && html` selected`}>${word}</option>`,
  )
  return html`<form class="filter" action="/service" method="get" data-live>
<input type="hidden" name="service" value="${service}">
<label>Filter <input type="search" name="filter" value="${filter}" placeholder="partition, instance, state"></label>
<label><input type="checkbox" name="problems" value="1"${problems === '1' && html` checked`}> problems only (${bad})</label>
<label>Zoom <select name="size">${options}</select></label>
<button>Show</button></form>`
}

function countWords(some: number, shown: number, all: number): string {
  const chosen = shown === all ? `all ${all}` : `${shown} of ${all}`
  return some === shown ? chosen : `${some} of the ${chosen}`
}

function pages(query: Query, page: number, count: number): Html {
  const last = Math.ceil(count / perPage)
  if (last <= 1) return html``
  const to = (number: number, word: string) =>
    number >= 1 && number <= last
      ? html`<a href="${link('/service', { ...query, page: number })}">${word}</a> `
      : html``
  return html`<nav aria-label="pages of partitions">${to(page - 1, 'earlier')}page ${page} of ${last} ${to(page + 1, 'later')}</nav>`
}

function instanceRows({ service, instances }: Status): Html {
  return tableOf(
    'instances',
    ['Instance', 'State', 'Holds', 'Should', 'Weight', 'Memory', 'Lease margin', 'Why'],
    instances.map(({ instance, state, held, assigned, weight, why, figures }) => [
      instanceLink(service, instance),
      html`<span class="${state === 'member' ? 'well' : 'unwell'}">${state}</span>`,
      ...[held, assigned, weight, figures === null ? '-' : bytes(figures.memory)],
      figures?.margin == null ? '-' : `${Math.round(figures.margin)} ms`,
      why,
    ]),
  )
}

function buttons({ service, partitions }: Status): Html {
  const frozen = { service }
  return html`<div class="acts">${form('scale', 'Scale', { service }, html`<label>Number of partitions <input name="to" size="6" required placeholder="${partitions.length}"></label>`)}
${form('freeze', 'Freeze', { service }, html`<label>Why <input name="why" size="16"></label>`)}
${rollForm(service, false)}
${button('thaw', 'Thaw', frozen)}${button('sync', 'Fetch the source now', { service })}${button('purge', 'Purge', { service })}</div>`
}
