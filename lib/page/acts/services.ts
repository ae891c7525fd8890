/** What is done to a service: scale, freeze and thaw, fetch its source, purge. */
import { z } from 'zod'
import { shellWord } from '../../base/printable.ts'
import { lookAtCluster } from '../../look/read-cluster.ts'
import { freezeByHand } from '../../operate/freeze.ts'
import { outlookOf } from '../../operate/plan/outlook.ts'
import { outlookLines } from '../../operate/plan/page.ts'
import { parseScale } from '../../operate/plan/what-if.ts'
import { purge, purgeable } from '../../operate/purge.ts'
import { reachedIt, scale, scaledWords, wantedBy } from '../../operate/scale.ts'
import { thawByHand } from '../../operate/thaw.ts'
import { mustKnow } from '../../program/operator.ts'
import { askForSync } from '../../sources/ask.ts'
import { act } from '../act.ts'
import { nothing } from '../views/plan.ts'
import { service, text } from './fields.ts'

const args = z.strictObject(service)
/** How long a change is waited for, as the programs do, ms. */
const patience = 60_000

export const scaleIt = act({
  name: 'scale',
  about: 'Sets how many partitions a service has: a number, or a percentage such as 7%.',
  args: z.strictObject({ ...service, to: z.string().min(1).max(20) }),
  command: ({ service, to }) => `watchbill scale ${shellWord(service)} ${shellWord(to)}`,
  async run(consul, { service, to }, dryRun, say) {
    await mustKnow(consul, service)
    const wanted = wantedBy({ to: to.trim() })
    if (wanted === null) return []
    const done = await scale(consul, service, wanted, dryRun)
    if (!dryRun) {
      say('the number is in force; waits for the set')
      await reachedIt(consul, service, patience)
    }
    const line = scaledWords(done, dryRun)
    if (!dryRun) return [line]
    const found = await outlookOf(consul, await lookAtCluster(consul, service), {
      ...nothing,
      scale: parseScale(to.trim()),
    })
    return [line, ...outlookLines(found)]
  },
})

function frozen(service: string, is: boolean, changed: boolean, dryRun: boolean): string[] {
  return [`${service} ${dryRun ? 'would be' : 'is'} ${is ? '' : 'not '}frozen${changed ? '' : ', as before'}`]
}

export const freeze = act({
  name: 'freeze',
  about: 'Nothing of a service moves, and nobody takes what others lose, until thaw.',
  args: z.strictObject({ ...service, why: text }),
  command: ({ service, why }) => `watchbill freeze ${shellWord(service)}${why ? ` --why ${shellWord(why)}` : ''}`,
  async run(consul, { service, why }, dryRun) {
    await mustKnow(consul, service)
    return frozen(service, true, await freezeByHand(consul, service, why, dryRun), dryRun)
  },
})

export const thaw = act({
  name: 'thaw',
  about: 'The freeze of a service ends.',
  args,
  command: ({ service }) => `watchbill thaw ${shellWord(service)}`,
  async run(consul, { service }, dryRun) {
    await mustKnow(consul, service)
    return frozen(service, false, await thawByHand(consul, service, dryRun), dryRun)
  },
})

export const sync = act({
  name: 'sync',
  about: 'The partitions are fetched from their source at once.',
  args,
  command: ({ service }) => `watchbill partitions ${shellWord(service)} sync`,
  async run(consul, { service }, dryRun) {
    await mustKnow(consul, service)
    return [dryRun ? 'would fetch' : await askForSync(consul, service, { force: false }, patience)]
  },
})

export const purgeIt = act({
  name: 'purge',
  about: 'The keys of a service that no machine runs any more are deleted.',
  args,
  command: ({ service }) => `watchbill purge ${shellWord(service)}`,
  async run(consul, { service }, dryRun, say) {
    await mustKnow(consul, service)
    const there = await purgeable(consul, service)
    const deleted = dryRun ? there : await purge(consul, service, say)
    return [`${dryRun ? 'would purge' : 'purged'} ${service}: ${deleted} keys`]
  },
})
