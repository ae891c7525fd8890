/** Pieces of HTML that several views share. */
import type { PartitionStatus } from '../../operate/status/partitions.ts'
import { type Html, html, link, type Part } from '../html.ts'
import { sign } from '../states.ts'

export function serviceLink(service: string): Html {
  return html`<a href="${link('/service', { service })}">${service}</a>`
}

export function instanceLink(service: string, instance: string | null): Html {
  if (instance === null) return html`<span class="none">nobody</span>`
  return html`<a href="${link('/instance', { service, instance })}">${instance}</a>`
}

export function partitionLink(service: string, partition: string): Html {
  return html`<a href="${link('/partition', { service, partition })}">${partition}</a>`
}

export function machineLink(node: string): Html {
  return html`<a href="${link('/machine', { node })}">${node}</a>`
}

export function planLink(service: string): Html {
  return html`<a href="${link('/plan', { service })}">its plan, and what would move if &hellip;</a>`
}

/** A time as people read it; the client adds how long ago that is. */
export function time(at: string | null): Html {
  if (at === null || Number.isNaN(Date.parse(at))) return html`-`
  return html`<time datetime="${new Date(at).toISOString()}">${at.replace(/\.\d+Z$/, 'Z')}</time>`
}

/** A button that first shows what it would do. */
export function button(act: string, label: string, args: Readonly<Record<string, unknown>>, means = true): Html {
  return html`<button type="button" data-act="${act}" data-args="${JSON.stringify(args)}"${!means && html` disabled`}>${label}&hellip;</button>`
}

/** The same, with something to fill in. */
export function form(act: string, label: string, args: Readonly<Record<string, unknown>>, fields: Part): Html {
  return html`<form class="act" data-act="${act}" data-args="${JSON.stringify(args)}">${fields}<button>${label}&hellip;</button></form>`
}

/** A table in a box that scrolls sideways by itself, so that the page never does. */
export function tableOf(label: string, head: readonly string[], rows: readonly (readonly Part[])[]): Html {
  const heads = head.map(one => html`<th scope="col">${one}</th>`)
  const lines = rows.map(
    ([first, ...rest]) => html`<tr><th scope="row">${first}</th>${rest.map(cell => html`<td>${cell}</td>`)}</tr>`,
  )
  return html`<div class="wide" role="region" aria-label="${`table: ${label}`}" tabindex="0"><table><thead><tr>${heads}</tr></thead><tbody>${lines}</tbody></table></div>`
}

/** Facts, each with its name. */
export function facts(all: readonly (readonly [name: string, value: Part])[]): Html {
  return html`<dl>${all.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`
}

export function problems(all: readonly string[], kind = 'problem'): Html {
  return html`${all.map(one => html`<p class="${kind}"><strong>${kind === 'problem' ? 'problem' : kind}:</strong> ${one}</p>`)}`
}

/** The words of `status` for a partition: since when, and why. */
export function whyOf({ since, state, why, dns }: PartitionStatus): string {
  // The words for a crash loop already have a time: as `status` prints it.
  return [since && state !== 'crash-looping' ? `since ${since}` : '', why, dns ?? ''].filter(Boolean).join('; ')
}

export function partitionRows(service: string, partitions: readonly PartitionStatus[]): Html {
  return tableOf(
    'partitions',
    ['Partition', 'Instance', 'State', 'Why'],
    partitions.map(one => [
      partitionLink(service, one.partition),
      instanceLink(service, one.instance),
      sign(one.state),
      whyOf(one),
    ]),
  )
}

/** A section with its heading. */
export function section(id: string, heading: string, body: Part): Html {
  return html`<section aria-labelledby="${id}"><h2 id="${id}">${heading}</h2>${body}</section>`
}
