/** What is done to partitions: restart, hold and let go, pin and unpin. */
import { z } from 'zod'
import { keysOf } from '../../base/names.ts'
import { shellWords } from '../../base/printable.ts'
import { listed } from '../../base/text.ts'
import { lookAtSome } from '../../look/part.ts'
import { changeHeld, holdLine } from '../../operate/hold.ts'
import { changePins, pinLine } from '../../operate/pin.ts'
import { askForRestart, holdersFor, restarted } from '../../operate/restart.ts'
import { mustKnow } from '../../program/operator.ts'
import { act } from '../act.ts'
import { partitions } from './fields.ts'

const args = z.strictObject(partitions)
const words = ({ service, partitions }: z.infer<typeof args>) => shellWords(service, ...partitions)

/** How long the old processes are waited for, as `restart` does, ms. */
const patience = 60_000

export const restart = act({
  name: 'restart',
  about: 'The processes of partitions are stopped, wherever they run, and started anew there.',
  args,
  command: args => `watchbill restart ${words(args)}`,
  async run(consul, { service, partitions }, dryRun, say) {
    await mustKnow(consul, service)
    const asked = dryRun
      ? holdersFor(await lookAtSome(consul, service, partitions), partitions)
      : await askForRestart(consul, service, partitions)
    if (!dryRun) {
      say('asked; waits until the old processes are gone')
      await restarted(consul, keysOf(service), partitions, patience)
    }
    return [...asked].map(([instance, ids]) => `${instance}: ${dryRun ? 'would restart' : 'restarted'} ${listed(ids)}`)
  },
})

function holding(name: 'hold' | 'unhold', about: string) {
  return act({
    name,
    about,
    args,
    command: args => `watchbill ${name} ${words(args)}`,
    async run(consul, { service, partitions }, dryRun) {
      await mustKnow(consul, service)
      const hold = { service, partitions, held: name === 'hold', dryRun }
      return [holdLine(hold, await changeHeld(consul, hold))]
    },
  })
}

export const hold = holding('hold', 'Partitions are stopped on purpose: nobody runs them until unhold.')
export const unhold = holding('unhold', 'Held partitions run again.')

export const pin = act({
  name: 'pin',
  about: 'Partitions stay on one instance while that takes part.',
  args: z.strictObject({ ...partitions, instance: z.string().min(1).max(500) }),
  command: ({ service, partitions: [id = ''], instance }) => `watchbill pin ${shellWords(service, id, instance)}`,
  async run(consul, args, dryRun) {
    await mustKnow(consul, args.service)
    return [pinLine({ ...args, dryRun }, await changePins(consul, { ...args, dryRun }))]
  },
})

export const unpin = act({
  name: 'unpin',
  about: 'Pins of partitions are taken back.',
  args,
  command: args => `watchbill unpin ${words(args)}`,
  async run(consul, args, dryRun) {
    await mustKnow(consul, args.service)
    const one = { ...args, instance: null, dryRun }
    return [pinLine(one, await changePins(consul, one))]
  },
})
