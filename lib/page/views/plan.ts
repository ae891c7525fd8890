/** What would move, if something changed, and what the scheduler has decided: the words of `watchbill plan`. It changes nothing. */
import { shellWord } from '../../base/printable.ts'
import type { Outlook } from '../../operate/plan/moves.ts'
import { outlookOf } from '../../operate/plan/outlook.ts'
import { outlookLines } from '../../operate/plan/page.ts'
import { planShown, type ShownPlan, shownObject } from '../../operate/plan/shown.ts'
import { type Changes, parseMember, parseScale } from '../../operate/plan/what-if.ts'
import { html } from '../html.ts'
import type { Sight } from '../sight.ts'
import { type Query, view } from '../view.ts'
import { instanceLink, partitionLink, section, tableOf } from './pieces.ts'
import { schedulerPart } from './scheduler.ts'

export const nothing: Changes = { add: [], remove: [], drain: [], scale: null, definition: null }

const fields = ['add', 'remove', 'drain', 'scale'] as const

export interface PlanView extends Outlook {
  /** The plan of the scheduler, as `watchbill plan --show --json` prints it; null when none has ever run. */
  readonly scheduler: ReturnType<typeof shownObject> | null
}

export const plan = view<PlanView>({
  path: '/plan',
  asks: ['service*', ...fields],
  about:
    'What would move if something changed, as `watchbill plan --json` prints it; and what the scheduler has decided, as `--show` does.',
  command: query =>
    ['watchbill plan', shellWord(query.service ?? '')]
      .concat(fields.flatMap(name => (query[name] ? [`--${name}`, shellWord(query[name])] : [])))
      .join(' '),
  title: () => 'what if',
  async data({ sight, query }) {
    const service = query.service ?? ''
    const { cluster } = await sight.whole(service)
    const words = (text = '') => text.split(/\s+/).filter(Boolean)
    const found = await outlookOf(sight.consul, cluster, {
      ...{ add: words(query.add).map(parseMember), remove: words(query.remove), drain: words(query.drain) },
      ...{ scale: query.scale ? parseScale(query.scale) : null, definition: null },
    })
    const shown = await scheduled(sight, service)
    return { ...found, scheduler: shown && shownObject(shown) }
  },
  html(found, query) {
    const { service, moves, unplaced, instances } = found
    const moved = new Set(moves.map(({ partition }) => partition))
    const rows = [
      ...moves.map(({ partition, from, to, why }) => [
        ...[partitionLink(service, partition), from === null ? '-' : instanceLink(service, from)],
        ...[to === null ? '-' : to, why],
      ]),
      ...unplaced
        .filter(({ partition }) => !moved.has(partition))
        .map(({ partition, why }) => [partitionLink(service, partition), '-', '-', why]),
    ]
    return html`${asking(query)}<p class="summary">${outlookLines(found)[0]}</p>
${rows.length > 0 && section('moves', 'What would move', tableOf('moves', ['Partition', 'From', 'To', 'Why'], rows.slice(0, 500)))}
${section(
  'instances',
  'How much each would have',
  tableOf(
    'instances',
    ['Instance', 'Now', 'After'],
    instances.map(({ instance, now, after }) => [instance, now, after]),
  ),
)}`
  },
  async more({ sight, query: { service = '' } }) {
    const shown = await scheduled(sight, service)
    return shown === null ? html`` : schedulerPart(shown)
  },
})

/** Null where no scheduler has ever run: then nothing more is read. */
async function scheduled(sight: Sight, service: string): Promise<ShownPlan | null> {
  const { status, cluster } = await sight.whole(service)
  if (status.scheduler === null && cluster.ownPlan.pointer === null) return null
  return sight.kept(`plan ${service}`, service, () => planShown(sight.consul, service))
}

function asking(query: Query) {
  const labels = {
    add: ['A node joins', 'node9:meta.zone=b,weight=2'],
    remove: ['A node or instance is gone', 'node9'],
    drain: ['A node or instance is drained', 'node9'],
    scale: ['Another number of partitions', '12, 7%'],
  } as const
  const inputs = fields.map(name => {
    const [label, example] = labels[name]
    return html`<label>${label} <input name="${name}" value="${query[name] ?? ''}" placeholder="${example}"></label>`
  })
  return html`<form class="filter" action="/plan" method="get"><input type="hidden" name="service" value="${query.service ?? ''}">${inputs}<button>What if</button></form>`
}
