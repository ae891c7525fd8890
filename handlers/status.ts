/**
 * Runs when:      somebody wants to know who runs what, and why something does not run
 * Reads:          Consul
 * May change:     nothing
 * Never changes:  anything
 * Exits:          0; with --check 1 unless all is well; with --wait 111 when the time is over before all is well: until
 *                 then Consul may be away, and the service unknown
 */

import { look, lookUntilWell } from '../lib/operate/status/look.ts'
import { checkLine, page } from '../lib/operate/status/page.ts'
import type { Status } from '../lib/operate/status/status.ts'
import { exit, print, program } from '../lib/program/frame.ts'
import { consulArgs, jsonArg, mustKnow, withConsul } from '../lib/program/operator.ts'

program({
  name: 'status',
  about: 'Says who runs what, and why something does not run.',
  args: {
    service: { type: 'positional', description: 'the Consul service name (default: all)', required: false },
    ...jsonArg,
    wait: { type: 'string', description: 'wait up to this time, such as 30s, until Consul is up and all is well' },
    check: { type: 'boolean', description: 'print one line, and exit 1 unless all is well' },
    ...consulArgs,
  },
  exits: '0; 1 with --check when something is not well',
  deadline: 3_700_000,
  run(args) {
    // Most of what is read of a large service is garbage at once: the room for what is new need not grow with it, nor the heap to
    // twice what lives.
    const { setFlagsFromString } = process.getBuiltinModule('node:v8')
    for (const flag of ['--semi-space-growth-factor=1', '--heap-growing-percent=50']) setFlagsFromString(flag)
    return withConsul(args, async consul => {
      if (args.wait === undefined && args.service) await mustKnow(consul, args.service)
      const { service, wait } = args
      const all = await (wait === undefined ? look(consul, service) : lookUntilWell(consul, service, wait))
      if (args.json) print(JSON.stringify(args.service ? all[0] : all))
      else if (args.check) for (const one of all) print(checkLine(one))
      else print(all.length > 0 ? pages(all) : 'watchbill keeps no service here yet')
      return args.check && all.some(({ ok }) => !ok) ? exit.no : exit.done
    })
  },
})

/** All pages, with an empty line between them. */
function pages(all: readonly Status[]): string[] {
  return all.flatMap((status, index) => (index === 0 ? page(status) : ['', ...page(status)]))
}
