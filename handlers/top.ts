/**
 * Runs when:      somebody wants to see what each partition of a service costs now
 * Reads:          the figures in the state directories of this machine; Consul, for the summaries of the others
 * May change:     nothing
 * Never changes:  anything
 * Exits:          0; 100 nothing here and nothing in Consul knows the service
 */
import { setTimeout as delay } from 'node:timers/promises'
import { duration } from '../lib/base/clock.ts'
import { Permanent, reason } from '../lib/base/errors.ts'
import { printable } from '../lib/base/printable.ts'
import type { Consul } from '../lib/consul/http.ts'
import type { Summary } from '../lib/keys/figures.ts'
import { type Order, orders, summaries, topOf, topPage } from '../lib/operate/figures/top.ts'
import { print, printBytes, program, remark } from '../lib/program/frame.ts'
import { consulArgs, jsonArg, mustKnow, serviceArg, withConsul } from '../lib/program/operator.ts'
import { figuresOf, instancesHere } from '../lib/state/figures/here.ts'
import { stateRoot } from '../lib/state/paths.ts'

const days = 24 * 3_600_000

program({
  name: 'top',
  about: 'Shows what each partition costs: again and again on a terminal, once elsewhere.',
  args: {
    ...serviceArg,
    sort: { type: 'string', description: `by ${orders.join(', ')}`, default: 'cpu' },
    every: { type: 'string', description: 'how often it is shown again', default: '2s' },
    once: { type: 'boolean', description: 'show it once, on a terminal too' },
    state: { type: 'string', description: 'the state directory (default $WATCHBILL_STATE or /var/lib/watchbill)' },
    ...jsonArg,
    ...consulArgs,
  },
  deadline: 24 * days,
  run(args) {
    const every = duration(args.every)
    if (every === null || every < 100)
      throw new Permanent(`cannot read the arguments: --every ${args.every} is no duration of at least 100ms`)
    const order = orders.find(one => one === args.sort)
    if (order === undefined)
      throw new Permanent(`cannot read the arguments: --sort ${args.sort} is none of ${orders.join(', ')}`)
    const root = args.state || stateRoot()
    return withConsul(args, async consul => {
      if (instancesHere(root, args.service).length === 0) await mustKnow(consul, args.service)
      const live = process.stdout.isTTY && !args.once && !args.json
      for (;;) {
        const top = await look(consul, root, args.service, order)
        if (args.json) return print(JSON.stringify(top))
        if (!live) return print(topPage(top))
        const page = topPage(top, process.stdout.rows ?? 24).map(line =>
          printable(line).slice(0, process.stdout.columns),
        )
        // Each line up to its end, then the rest of the screen: nothing flickers.
        if (!printBytes(Buffer.from(`\u001b[H${page.join('\u001b[K\n')}\u001b[J`))) return
        await delay(every)
      }
    })
  },
})

/** Without Consul there is still what this machine knows. */
async function look(consul: Consul, root: string, service: string, order: Order) {
  const here = instancesHere(root, service).map(one => figuresOf(one))
  const others = await summaries(consul, service).catch(error => {
    if (here.length === 0) throw error
    if (!process.stdout.isTTY) remark(`only what this machine knows: ${reason(error)}`)
    return new Map<string, Summary>()
  })
  return topOf(service, here, others, order)
}
