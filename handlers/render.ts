/**
 * Runs when:      an operator wants to see how the rendered files of this machine stand, or what a render would change
 * Reads:          the state directory; with --dry-run or --once Consul, the templates and the files
 * May change:     nothing; with --once the files that the definition renders, and render/<instance>
 * Never changes:  a lease, a lock, a process of a partition
 * Exits:          0; 1 when something is wrong with a file; 100 no instance of the service renders here
 */
import { dryLines, renderersHere, renderNow, stateLines, stateOf } from '../lib/operate/render.ts'
import { exit, print, program } from '../lib/program/frame.ts'
import { consulArgs, jsonArg, operatorDryRunArg, serviceArg, withConsul } from '../lib/program/operator.ts'
import { stateRoot } from '../lib/state/paths.ts'
import { readRendered } from '../lib/state/renders.ts'

program({
  name: 'render',
  about: 'Shows how the rendered files of this machine stand; --dry-run shows what would change, --once renders now.',
  args: {
    ...serviceArg,
    ...operatorDryRunArg,
    once: { type: 'boolean', description: 'render now, and put right what was changed by hand' },
    state: { type: 'string', description: 'the state directory (default $WATCHBILL_STATE or /var/lib/watchbill)' },
    ...jsonArg,
    ...consulArgs,
  },
  exits: '0; 1 when something is wrong with a file',
  deadline: 600_000,
  run: args =>
    withConsul(args, async consul => {
      const here = renderersHere(consul, args.state || stateRoot(), args.service)
      if (args['dry-run']) {
        for (const run of here) print(await dryLines(run))
        return exit.done
      }
      for (const run of here) if (args.once) print(await renderNow(run))
      if (args.json) print(JSON.stringify(here.map(stateOf)))
      else for (const run of here) if (!args.once) print(stateLines(run))
      return here.some(({ files }) => readRendered(files).problems.length > 0) ? exit.no : exit.done
    }),
})
