/** What the scheduler of a service can be asked, as buttons; what waits for an answer, and the last answers. */
import { shellWord } from '../../base/printable.ts'
import { readSchedulerDuty } from '../../keys/scheduler.ts'
import { type Asked, askedWords, readAsked } from '../../keys/scheduler-asks.ts'
import { html } from '../html.ts'
import { type Seeing, view } from '../view.ts'
import { facts, form, instanceLink, planLink, problems, section, serviceLink, tableOf, time } from './pieces.ts'

export interface AskView {
  readonly service: string
  /** The instance that runs the scheduler; null when none has ever run one. */
  readonly by: string | null
  /** Why there is no newer plan, and since when; null while all is well. */
  readonly problem: string | null
  readonly since: string | null
  readonly actions: readonly Action[]
  /** The oldest first. An answer stays until whoever asked has read it, for ten minutes at most. */
  readonly asked: readonly Omit<Asked, 'index'>[]
}

export interface Action {
  readonly name: string
  readonly title: string
  readonly arguments: readonly { readonly name: string; readonly about: string }[]
}

export const ask = view<AskView>({
  path: '/ask',
  asks: ['service*'],
  about: 'What the scheduler of a service can be asked, and what was asked of it.',
  command: ({ service = '' }) => `watchbill ask ${shellWord(service)} <action> name=value`,
  title: () => 'ask the scheduler',
  data: ({ sight, query: { service = '' } }) => sight.kept(`ask ${service}`, service, () => read(sight, service)),
  html({ service, by, problem, since, actions, asked }) {
    const rows = asked.map(one => [askedWords(one), time(one.at), one.answer ?? html`<em>waits</em>`, one.id])
    const forms = actions.map(one => actionForm(service, one))
    const none = 'Its definition has no actions.'
    return html`${problems(problem === null ? [] : [`${problem} (since ${since})`])}
${facts([
  ['service', serviceLink(service)],
  ['runs on', by === null ? 'no instance has ever run a scheduler' : instanceLink(service, by)],
  ['see also', planLink(service)],
])}
${section('actions', 'Actions', forms.length === 0 ? html`<p>${none}</p>` : html`<div class="acts">${forms}</div>`)}
${section('asked', 'Asked', rows.length === 0 ? html`<p>nothing waits</p>` : tableOf('what was asked', ['Action', 'When', 'Answer', 'Id'], rows))}`
  },
})

async function read(sight: Seeing['sight'], service: string): Promise<AskView> {
  const { keys } = (await sight.whole(service)).cluster
  const [duty, asked] = await Promise.all([readSchedulerDuty(sight.consul, keys), readAsked(sight.consul, keys)])
  const actions = Object.entries(duty?.actions ?? {}).map(([name, action]) => ({
    ...{ name, title: action.title },
    arguments: Object.entries(action.arguments).map(([name, about]) => ({ name, about })),
  }))
  return {
    ...{ service, by: duty?.by || null, problem: duty?.problem ?? null, since: duty?.since ?? null, actions },
    asked: asked.map(({ index: _, ...one }) => one),
  }
}

function actionForm(service: string, { name, title, arguments: named }: Action) {
  const fields = named.map(
    one =>
      html`<label>${one.name} <input name="${`arguments.${one.name}`}" required size="16" placeholder="${one.about}"></label>`,
  )
  return form('ask', name, { service, action: name }, html`<span>${title}</span> ${fields}`)
}
