/** What is asked of the scheduler of a service: one of the actions of its definition. */
import { z } from 'zod'
import { shellWord } from '../../base/printable.ts'
import { askScheduler, wouldAsk } from '../../operate/ask.ts'
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
    if (dryRun) return wouldAsk(consul, service, { action, given })
    say('asked; waits for the answer of the scheduler')
    const { answer } = await askScheduler(consul, service, { action, given, limit: patience })
    return [answer ?? '']
  },
})
