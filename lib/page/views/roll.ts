/** A roll-out: its steps, which unit has which version, what holds it up, and what people can do with it. */
import { shellWord } from '../../base/printable.ts'
import { rollShown, type ShownRoll, type ShownUnit, type UnitState } from '../../operate/roll/shown.ts'
import { type Order, orders } from '../../roll/next.ts'
import { Html, html } from '../html.ts'
import { shape } from '../states.ts'
import { view } from '../view.ts'
import { eventsPart } from './events.ts'
import { button, facts, form, instanceLink, partitionLink, section, serviceLink, tableOf } from './pieces.ts'

/** In a string of its own: a release is read as ASCII, and esbuild escapes nothing in a template. */
const noVersions = 'No instance’s definition has “versions”: there is nothing to roll out.'

/** The most units that are listed: those that need a person come first. */
const most = 200

export const roll = view<ShownRoll>({
  path: '/roll',
  asks: ['service*'],
  about: 'The roll-out under way, or the last one: its steps, and which partition has which version.',
  command: ({ service = '' }) => `watchbill roll ${shellWord(service)}`,
  title: () => 'roll-out',
  async data({ sight, query: { service = '' } }) {
    const { cluster } = await sight.whole(service)
    return sight.kept(`roll ${service}`, service, () => rollShown(sight.consul, cluster))
  },
  html: shown => html`<p class="summary">${shown.lines[0]}</p>
${progress(shown)}${shown.lines.slice(1).map(line => html`<p>${line}</p>`)}
${facts([
  ['service', serviceLink(shown.service)],
  ['version in force', shown.version ?? 'none'],
])}
${shown.underWay && section('orders', 'What can be done', html`<div class="acts">${orders.map(order => orderButton(shown, order))}</div>`)}
${shown.steps.length > 0 && section('steps', 'Steps', stepRows(shown))}
${section('versions', 'Which has which version', html`${versionCounts(shown.units)}${unitRows(shown)}`)}
${section('prepared', 'Instances', instanceRows(shown))}
${!shown.underWay && section('begin', 'Roll a version out', rollForm(shown.service, true))}`,
  more: ({ sight, query: { service = '' } }) => eventsPart(sight, service),
})

/** How many have the new version, as a bar and in words. */
function progress({ roll, underWay }: ShownRoll): Html {
  if (roll === null || !underWay) return html``
  const { reached, of } = roll
  const part = of === 0 ? 0 : (100 * Math.min(reached, of)) / of
  const bar = new Html(
    `<rect class="rest" x="0" y="2" width="100" height="2"/><rect class="good" x="0" y="0" width="${part.toFixed(2)}" height="6"/>`,
  )
  return html`<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label="${`${reached} of ${of}`}">${bar}</svg>`
}

const labels: Readonly<Record<Order, string>> = {
  pause: 'Pause',
  resume: 'Resume',
  proceed: 'Proceed',
  skip: 'Skip what is not well',
  revert: 'Revert',
}

/** Each has its place, also while it means nothing: none moves under the pointer of somebody who is about to press it. */
function orderButton({ service, roll, orders: now }: ShownRoll, order: Order): Html {
  return button(`roll-${order}`, labels[order], { service, id: roll?.id }, now.includes(order))
}

function stepRows({ steps, roll }: ShownRoll): Html {
  const what = roll?.unit === 'instance' ? 'instances' : 'partitions'
  const rows = steps.map(({ upTo, state }, at) => [`${at + 1} of ${steps.length}`, `${upTo} ${what}`, state])
  return tableOf('steps', ['Step', 'Then have it', 'State'], rows)
}

const signs: Readonly<Record<UnitState, Parameters<typeof shape>[0]>> = {
  fails: 'failing',
  'its turn': 'moving',
  settles: 'starting',
  skipped: 'drained',
  unavailable: 'critical',
  'not yet': 'held',
  done: 'running',
  'not meant': 'removed',
  '-': 'running',
}

function versionCounts(units: readonly ShownUnit[]): Html {
  const byVersion = Map.groupBy(units, ({ versions }) => versions.join(', ') || 'no version')
  const words = [...byVersion].map(
    ([version, all]) => html`<span class="count"><strong>${all.length}</strong> ${version}</span> `,
  )
  return html`<p class="versions">${words}</p>`
}

function unitRows({ service, roll, units, underWay }: ShownRoll): Html {
  const ofInstances = underWay && roll?.unit === 'instance'
  const rows = units
    .slice(0, most)
    .map(({ name, instance, versions, state, why }) => [
      ofInstances ? instanceLink(service, name) : partitionLink(service, name),
      ofInstances ? '' : instanceLink(service, instance),
      versions.join(', ') || '-',
      html`<span class="state">${state !== '-' && shape(signs[state])}${state}</span>`,
      why ?? '',
    ])
  const rest = units.length > most && html`<p>${units.length - most} more; the JSON of this view has all</p>`
  return html`${tableOf('versions', [ofInstances ? 'Instance' : 'Partition', ofInstances ? '' : 'Instance', 'Version', 'State', 'Why'], rows)}${rest}`
}

function instanceRows({ service, instances }: ShownRoll): Html {
  if (instances.length === 0) return html`<p>${noVersions}</p>`
  const rows = instances.map(({ instance, pattern, prepared, failed }) => [
    instanceLink(service, instance),
    html`<code>${pattern}</code>`,
    prepared === null ? 'needs no preparing' : prepared.toReversed().slice(0, 5).join(', ') || 'none',
    failed ?? '',
  ])
  return tableOf('instances', ['Instance', 'Allows', 'Prepared', 'Could not'], rows)
}

/** @param whole with the options that are seldom needed */
export function rollForm(service: string, whole: boolean): Html {
  const field = (name: string, label: string, more: Html) =>
    html`<label>${label} <input name="${name}" ${more}></label> `
  const seldom = html`${field('steps', 'Further steps', html`size="10" placeholder="10%,50%"`)}${field('limit', 'Limit', html`size="4" placeholder="60s"`)}${field('only', 'Only', html`size="8" placeholder="eu-*"`)}
<label><input type="checkbox" name="ack" value="yes"> each step waits</label> <label><input type="checkbox" name="auto-revert" value="yes"> reverts by itself</label>`
  return form(
    'roll',
    'Roll',
    { service },
    html`${field('to', 'Version', html`size="10" required`)}${field('max-unavailable', 'Unavailable at most', html`size="4" placeholder="1"`)}${field('canary', 'Canary', html`size="4" placeholder="none"`)}${field('settle', 'Settle', html`size="4" placeholder="10s"`)}${whole && seldom}`,
  )
}
