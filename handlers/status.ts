/**
 * Runs when:      somebody wants to know who runs what, and why something does not run
 * Reads:          Consul; for one partition also the state directory
 * May change:     nothing
 * Never changes:  anything
 * Exits:          0; with --check 1 unless all is well; with --wait 111 when the time is over before all is well: until
 *                 then Consul may be away, and the service unknown
 */

import { chosen, mustFit } from '../lib/operate/status/choose.ts'
import { look, lookUntilWell } from '../lib/operate/status/look.ts'
import { checkLine } from '../lib/operate/status/page.ts'
import { pages } from '../lib/operate/status/screen.ts'
import { mustGoTogether } from '../lib/operate/status/together.ts'
import { exit, print, printBytes, program } from '../lib/program/frame.ts'
import { consulArgs, jsonArg, mustKnow, withConsul } from '../lib/program/operator.ts'
import { terminal } from '../lib/program/terminal.ts'
import { stateRoot } from '../lib/state/paths.ts'

const days = 24 * 3_600_000

program({
  name: 'status',
  about: 'Says who runs what, and why something does not run; of one partition everything that is known.',
  args: {
    service: { type: 'positional', description: 'the Consul service name (default: all)', required: false },
    partition: {
      type: 'positional',
      description: "everything about this one; with a * in it, such as 'tenant-*': only these",
      required: false,
    },
    problems: { type: 'boolean', description: 'only what is not as it should be (on a terminal, beyond 50 lines)' },
    all: { type: 'boolean', description: 'everything, also beyond 50 lines' },
    instance: { type: 'string', description: 'only what this instance has; a * stands for anything' },
    state: { type: 'string', description: 'only partitions in this state, or in one of several: waiting,moving' },
    watch: { type: 'boolean', alias: 'w', description: 'stay, and show what changes' },
    ...jsonArg,
    wait: { type: 'string', description: 'wait up to this time, such as 30s, until Consul is up and all is well' },
    check: { type: 'boolean', description: 'print one line, and exit 1 unless all is well' },
    'state-dir': {
      type: 'string',
      description: 'the state directory (default $WATCHBILL_STATE or /var/lib/watchbill)',
    },
    ...consulArgs,
  },
  exits: '0; 1 with --check when something is not well',
  deadline: 24 * days,
  run(args) {
    // Most of what is read of a large service is garbage at once: the room for what is new need not grow with it, nor the heap to
    // twice what lives.
    const { setFlagsFromString } = process.getBuiltinModule('node:v8')
    for (const flag of ['--semi-space-growth-factor=1', '--heap-growing-percent=50']) setFlagsFromString(flag)
    mustGoTogether(args)
    const { service, partition, wait } = args
    return withConsul(args, async consul => {
      if (wait === undefined && service) await mustKnow(consul, service)
      if (service && partition !== undefined && !partition.includes('*')) {
        const { detailJson, detailLines, detailOf } = await import('../lib/operate/status/detail.ts')
        const detail = await detailOf(consul, service, partition, args['state-dir'] || stateRoot())
        print(args.json ? JSON.stringify(detailJson(detail)) : detailLines(detail, Date.now()))
        return exit.done
      }
      if (args.watch) {
        const { watchOnTerminal } = await import('../lib/operate/status/watch-on-terminal.ts')
        await watchOnTerminal(consul, service as string, args)
        return exit.done
      }
      const all = await (wait === undefined ? look(consul, service) : lookUntilWell(consul, service, wait))
      mustFit(all, args)
      const some = all.map(status => ({ ...status, ...chosen(status, args) }))
      if (args.json) print(JSON.stringify(service ? some[0] : some))
      else if (args.check) for (const one of all) print(checkLine(one))
      else if (all.length === 0) print('watchbill keeps no service here yet')
      else printBytes(Buffer.from(`${pages(all, args, terminal()).join('\n')}\n`))
      return args.check && all.some(({ ok }) => !ok) ? exit.no : exit.done
    })
  },
})
