/** The plan of a scheduler that is in force, its log, and what was refused: the words of `watchbill plan --show`. */
import { shellWord } from '../../base/printable.ts'
import { entriesOf, planWords, runsWords, type ShownPlan } from '../../operate/plan/shown.ts'
import { type Html, html, link } from '../html.ts'
import { instanceLink, partitionLink, problems, section, tableOf } from './pieces.ts'

/** The most entries that are listed: those that do not count come first. */
const most = 200

export function schedulerPart(shown: ShownPlan): Html {
  const { service, plan, by, last, waiting, earlier } = shown
  const head = plan === null ? 'no plan is in force' : planWords(plan)
  const refused = (last?.refused ?? []).map(({ at, why }) => `${at}: ${why}`)
  return html`${section(
    'scheduler',
    'What the scheduler decided',
    html`<p>${head}</p><p>${runsWords(by, last)}</p>${problems(shown.problems)}
${plan?.version && html`<p>version: ${plan.version}</p>`}${entries(shown)}
<p><a href="${link('/ask', { service })}">Ask it something</a>${waiting.length > 0 && `; ${waiting.length} wait for an answer`}</p>`,
  )}
${section('log', 'Its log', lines(plan?.log ?? [], 'log of the scheduler'))}
${section('refused', 'Refused', lines(refused, 'what was refused'))}
${earlier.length > 0 && section('earlier', 'Earlier plans', html`<ul>${earlier.map(one => html`<li>plan ${one.revision} of ${one.at} by ${one.by}</li>`)}</ul>`)}
<p class="same">The same on the command line: <code data-copy>watchbill plan ${shellWord(service)} --show</code></p>`
}

function entries({ service, plan, voided, holders }: ShownPlan): Html {
  if (plan === null) return html``
  const all = entriesOf(plan)
  const first = [...all.filter(([id]) => voided.has(id)), ...all.filter(([id]) => !voided.has(id))]
  const rows = first.slice(0, most).map(([id, to, why]) => {
    const holder = holders.get(id)
    const reason = voided.has(id) ? `does not count: ${voided.get(id)}` : why
    return [partitionLink(service, id), to, holder === undefined ? '-' : instanceLink(service, holder), reason]
  })
  const rest = all.length > most && html`<p>${all.length - most} more; the JSON of this view has all</p>`
  return html`${tableOf('plan', ['Partition', 'Plan', 'Instance', 'Why'], rows)}${rest}`
}

function lines(all: readonly string[], label: string): Html {
  if (all.length === 0) return html`<p>nothing</p>`
  return html`<pre class="log" tabindex="0" role="region" aria-label="${label}">${all.join('\n')}</pre>`
}
