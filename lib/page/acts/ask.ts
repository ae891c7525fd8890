/** What is asked of the scheduler of a service: one of the actions of its definition. */
import { z } from 'zod'
import { keysOf } from '../../base/names.ts'
import { shellWord } from '../../base/printable.ts'
import { askedWords, readAsked } from '../../keys/scheduler-asks.ts'
import { askScheduler, mustBeAskable } from '../../operate/ask.ts'
import { mustKnow } from '../../program/operator.ts'
import { act } from '../act.ts'
import { service } from './fields.ts'

/** How long the answer is waited for, as `ask` does, ms. */
const patience = 60_000

export const askOne = act({
  name: 'ask',
  about: 'Asks something of the scheduler of a service: one of the actions of its definition.',
  args: z.strictObject({
    ...service,
    action: z.string().min(1).max(200),
    arguments: z.record(z.string().max(200), z.string().max(1024)).default({}),
  }),
  command: ({ service, action, arguments: given }) =>
    ['watchbill ask', ...[service, action, ...Object.entries(given).map(one => one.join('='))].map(shellWord)].join(
      ' ',
    ),
  async run(consul, { service, action, arguments: given }, dryRun, say) {
    await mustKnow(consul, service)
    const { by, actions } = await mustBeAskable(consul, service, action, given)
    if (dryRun) {
      const waiting = (await readAsked(consul, keysOf(service))).filter(({ answer }) => answer === null).length
      const title = actions[action]?.title
      return [
        `would ask the scheduler on ${by}: ${askedWords({ action, arguments: given })}${title && ` (${title})`}`,
        ...(waiting > 0 ? [`${waiting} asked before it wait for their answers`] : []),
      ]
    }
    say('asked; waits for the answer of the scheduler')
    const { answer } = await askScheduler(consul, service, { action, given, limit: patience })
    return [answer ?? '']
  },
})
