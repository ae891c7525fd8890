/**
 * Runs when:      somebody wants to know what happened to a service, in which order, and who asked for it
 * Reads:          Consul; with --here the state directories of this machine instead
 * May change:     nothing
 * Never changes:  anything
 * Exits:          0; 100 watchbill keeps no such service
 */
import { setTimeout as delay } from 'node:timers/promises'
import { duration } from '../lib/base/clock.ts'
import { Permanent, Temporary } from '../lib/base/errors.ts'
import { chosen, eventsHere, readEvents, type Shown } from '../lib/operate/events/read.ts'
import { eventJson, eventLine } from '../lib/operate/events/words.ts'
import { print, program, remark } from '../lib/program/frame.ts'
import { consulArgs, jsonArg, mustKnow, withConsul } from '../lib/program/operator.ts'
import { stateRoot } from '../lib/state/paths.ts'

const days = 24 * 3_600_000
/** How often --follow looks, ms. */
const every = 1000

program({
  name: 'events',
  about: 'Says what happened to a service: who acquired, moved, lost, started and asked for what, in one order.',
  args: {
    service: { type: 'positional', description: 'the Consul service name (default: all)', required: false },
    partition: { type: 'positional', description: 'only what is about this partition', required: false },
    since: { type: 'string', description: 'only the last so much time, such as 10m or 1h' },
    follow: { type: 'boolean', description: 'go on with what happens from now on' },
    here: { type: 'boolean', description: "what this machine's instances still know, which is more than Consul has" },
    state: { type: 'string', description: 'the state directory (default $WATCHBILL_STATE or /var/lib/watchbill)' },
    ...jsonArg,
    ...consulArgs,
  },
  deadline: 24 * days,
  async run(args) {
    const { service, partition } = args
    const since = args.since === undefined ? undefined : duration(args.since)
    if (since === null) throw new Permanent(`cannot read the arguments: --since ${args.since} is no duration; give 10m`)
    const asked = { service, partition, since }
    const show = (events: readonly Shown[]) => print(events.map(one => eventLine(one, service === undefined)))
    if (args.here) {
      if (args.follow) throw new Permanent('cannot read the arguments: --follow reads Consul; leave --here out')
      const events = eventsHere(args.state || stateRoot(), asked)
      return args.json ? print(JSON.stringify(events.map(eventJson))) : show(events)
    }
    await withConsul(args, async consul => {
      if (service) await mustKnow(consul, service)
      const all = await readEvents(consul, { service, partition })
      const events = chosen(all, asked, Date.now())
      if (!args.follow) return args.json ? print(JSON.stringify(events.map(eventJson))) : show(events)
      const line = (one: Shown) => (args.json ? JSON.stringify(eventJson(one)) : eventLine(one, service === undefined))
      for (const one of events) print(line(one))
      const known = new Set(all.map(({ key }) => key))
      await follow(
        known,
        () => readEvents(consul, { service, partition }),
        one => print(line(one)),
      )
    })
  },
})

/** Each event once, as soon as it is known. While Consul is away it waits. */
async function follow(
  known: Set<string>,
  read: () => Promise<readonly Shown[]>,
  show: (event: Shown) => void,
): Promise<void> {
  for (let away = false; ; ) {
    await delay(every)
    try {
      for (const event of await read()) if (!known.has(event.key) && known.add(event.key)) show(event)
      away = false
    } catch (error) {
      if (!(error instanceof Temporary)) throw error
      if (!away) remark(error.message)
      away = true
    }
  }
}
