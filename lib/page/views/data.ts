/** What is data alone: the curves of the last hour, and a document on demand. */

import { Permanent } from '../../base/errors.ts'
import { shellWord, shellWords } from '../../base/printable.ts'
import { partitionsAt } from '../../keys/partition-set.ts'
import type { Past } from '../../operate/figures/history.ts'
import { view } from '../view.ts'
import { mustShow, statusIn } from './partition.ts'

export interface HistoryView {
  readonly service: string
  readonly instance: string
  readonly rows: readonly Past[]
}

export const history = view<HistoryView>({
  path: '/history',
  asks: ['service*', 'instance*', 'partition'],
  about: 'The last hour of an instance, or of one of its partitions, as this machine wrote it down.',
  command: ({ service = '', partition }) =>
    `watchbill history ${shellWords(service, ...(partition ? [partition] : []))}`,
  title: ({ instance = '' }) => instance,
  async data({ sight, here, query: { service = '', instance = '', partition } }) {
    await sight.whole(service) // whoever may not look at the service sees no figures either
    const found = here.history(service, instance, partition ?? null)
    if (found === null)
      throw new Permanent(
        `cannot show the history of ${partition ?? instance}: this machine has no figures of the last hour`,
      )
    return { service, instance, rows: found.rows }
  },
})

export interface DocumentView {
  readonly service: string
  readonly partition: string
  /** Its JSON as text, since numbers stay as they were written; null when it has none. */
  readonly document: string | null
}

export const document = view<DocumentView>({
  path: '/document',
  asks: ['service*', 'partition*'],
  about: 'The document of a partition.',
  command: ({ service = '' }) => `watchbill partitions ${shellWord(service)} list --json`,
  title: ({ partition = '' }) => partition,
  async data({ sight, shows, query: { service = '', partition = '' } }) {
    mustShow(shows.documents, 'documents')
    const whole = await sight.whole(service)
    statusIn(whole, partition)
    const [found] = await partitionsAt(sight.consul, whole.cluster.keys, [partition])
    return {
      service,
      partition,
      document: found?.document === undefined ? null : JSON.stringify(found.document, null, 2),
    }
  },
})
