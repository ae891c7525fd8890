/**
 * Runs when:      somebody wants to know who runs what, and why something does not run
 * Reads:          Consul
 * May change:     nothing
 * Never changes:  anything
 * Exits:          0; with --check 1 unless all is as it should be; with --wait 111 when the time is over: until then
 *                 Consul may be away, and the service unknown
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Consul } from '../lib/consul/http.ts'
import { reason, Temporary } from '../lib/errors.ts'
import { exit, print, program } from '../lib/frame.ts'
import { consulArgs, jsonArg, mustKnow, waitLimit, withConsul } from '../lib/operator.ts'
import { knownServices, readStatus, type Status } from '../lib/status.ts'
import { checkLine, page } from '../lib/status-page.ts'

program({
  name: 'status',
  about: 'Says who runs what, and why something does not run.',
  args: {
    service: { type: 'positional', description: 'the Consul service name (default: all)', required: false },
    ...jsonArg,
    wait: { type: 'string', description: 'wait so long, such as 30s, until Consul is up and all is as it should be' },
    check: { type: 'boolean', description: 'one line, and exit 1 unless all is as it should be' },
    ...consulArgs,
  },
  exits: '0; 1 with --check when something is not as it should be',
  deadline: 3_700_000,
  run: args =>
    withConsul(args, async consul => {
      if (args.wait === undefined && args.service) await mustKnow(consul, args.service)
      const all = await (args.wait === undefined ? look(consul, args.service) : until(consul, args.service, args.wait))
      if (args.json) print(JSON.stringify(args.service ? all[0] : all))
      else if (args.check) for (const one of all) print(checkLine(one))
      else print(all.length > 0 ? pages(all) : 'watchbill keeps no service here yet')
      return args.check && all.some(({ ok }) => !ok) ? exit.no : exit.done
    }),
})

/** One service, or all there are. */
async function look(consul: Consul, service: string | undefined): Promise<Status[]> {
  const services = service === undefined ? await knownServices(consul) : [service]
  return Promise.all(services.map(service => readStatus(consul, service)))
}

/** The first look at which Consul answers and all is well. */
async function until(consul: Consul, service: string | undefined, wait: string): Promise<Status[]> {
  const end = performance.now() + waitLimit(wait)
  for (;;) {
    const all = await look(consul, service).catch(failure)
    if (Array.isArray(all) && all.every(({ ok }) => ok)) return all
    if (performance.now() > end) {
      const bad = Array.isArray(all) ? all.find(({ ok }) => !ok) : undefined
      throw new Temporary(`cannot wait longer than ${wait}: ${bad ? checkLine(bad) : all}; see watchbill status`)
    }
    await delay(200)
  }
}

/** Why there is nothing to see yet. @throws what waiting does not mend */
function failure(error: unknown): string {
  if (error instanceof Temporary) return reason(error).replace(/; is it up\?$/, '')
  throw error
}

/** Line by line, with an empty one in between. */
function pages(all: readonly Status[]): string[] {
  return all.flatMap((status, index) => (index === 0 ? page(status) : ['', ...page(status)]))
}
