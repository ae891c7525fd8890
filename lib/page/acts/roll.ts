/** What is done to versions: roll one out, and pause, resume, proceed, skip and revert that. */
import { z } from 'zod'
import { shellWord } from '../../base/printable.ts'
import { beginRoll } from '../../operate/roll/begin.ts'
import { optionsFrom, type RollWords } from '../../operate/roll/options.ts'
import { orderRoll } from '../../operate/roll/order.ts'
import { begunLines, nowWords, wouldLines } from '../../operate/roll/words.ts'
import { mustKnow } from '../../program/operator.ts'
import { type Order, orders } from '../../roll/next.ts'
import { act } from '../act.ts'
import { service } from './fields.ts'

const word = z.string().trim().max(200).default('')
/** A box of a form: left out when it is not ticked. */
const yes = z.literal(['yes', '']).default('')
const words = ['max-unavailable', 'canary', 'steps', 'settle', 'limit', 'only'] as const
const boxes = ['ack', 'auto-revert'] as const

const args = z.strictObject({
  ...{ ...service, to: z.string().trim().min(1).max(200) },
  ...{ 'max-unavailable': word, canary: word, steps: word, settle: word, limit: word, only: word },
  ...{ ack: yes, 'auto-revert': yes },
})
type Args = z.infer<typeof args>

/** What is left empty is as if it were not given. */
function rollWordsOf(given: Args): RollWords {
  const texts = words.flatMap(name => (given[name] === '' ? [] : [[name, given[name]]]))
  const flags = boxes.flatMap(name => (given[name] === 'yes' ? [[name, true]] : []))
  return Object.fromEntries([...texts, ...flags])
}

export const rollIt = act({
  name: 'roll',
  about: 'Rolls a version out, step by step.',
  args,
  command: given =>
    [
      `watchbill roll ${shellWord(given.service)} --to ${shellWord(given.to)}`,
      ...words.flatMap(name => (given[name] === '' ? [] : [`--${name} ${shellWord(given[name])}`])),
      ...boxes.flatMap(name => (given[name] === 'yes' ? [`--${name}`] : [])),
    ].join(' '),
  async run(consul, given, dryRun) {
    await mustKnow(consul, given.service)
    const { service, to } = given
    return begunLines(
      service,
      to,
      await beginRoll(consul, service, to, optionsFrom(rollWordsOf(given)), dryRun),
      dryRun,
    )
  },
})

const abouts: Readonly<Record<Order, string>> = {
  pause: 'A roll-out restarts nothing more until it is resumed.',
  resume: 'A roll-out goes on after a pause; after a failure, what failed is tried once more.',
  proceed: 'The next step of a roll-out that waits for a person begins.',
  skip: 'A roll-out waits no longer for what is not well now, and goes on.',
  revert: 'What has the new version gets the version in force back.',
}

/** @param id of the roll-out that is meant: a button that was drawn for an earlier one does nothing to its successor */
const orderArgs = z.strictObject({ ...service, id: z.string().min(1).max(100).optional() })

export const rollOrders = orders.map(order =>
  act({
    name: `roll-${order}`,
    about: abouts[order],
    args: orderArgs,
    command: ({ service }) => `watchbill roll ${shellWord(service)} --${order}`,
    async run(consul, { service, id }, dryRun) {
      await mustKnow(consul, service)
      const ordered = await orderRoll(consul, service, order, dryRun, id)
      return [nowWords(service, ordered.roll), ...(dryRun ? wouldLines(order, ordered) : [])]
    },
  }),
)
