/** What would move, if something changed: the words of `watchbill plan`. It changes nothing. */
import { shellWord } from '../../base/printable.ts'
import type { Outlook } from '../../operate/plan/moves.ts'
import { outlookOf } from '../../operate/plan/outlook.ts'
import { outlookLines } from '../../operate/plan/page.ts'
import { type Changes, parseMember, parseScale } from '../../operate/plan/what-if.ts'
import { html } from '../html.ts'
import { type Query, view } from '../view.ts'
import { instanceLink, partitionLink, section, tableOf } from './pieces.ts'

export const nothing: Changes = { add: [], remove: [], drain: [], scale: null, definition: null }

const fields = ['add', 'remove', 'drain', 'scale'] as const

export const plan = view<Outlook>({
  path: '/plan',
  asks: ['service*', ...fields],
  about: 'What would move if something changed, as `watchbill plan --json` prints it.',
  command: query =>
    ['watchbill plan', shellWord(query.service ?? '')]
      .concat(fields.flatMap(name => (query[name] ? [`--${name}`, shellWord(query[name])] : [])))
      .join(' '),
  title: ({ service = '' }) => `${service}: what if`,
  async data({ sight, query }) {
    const { cluster } = await sight.whole(query.service ?? '')
    const words = (text = '') => text.split(/\s+/).filter(Boolean)
    return outlookOf(sight.consul, cluster, {
      ...{ add: words(query.add).map(parseMember), remove: words(query.remove), drain: words(query.drain) },
      ...{ scale: query.scale ? parseScale(query.scale) : null, definition: null },
    })
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
})

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
