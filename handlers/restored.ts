/**
 * Runs when:      a Consul backup was restored while the service was stopped, and the service should run again
 * Reads:          Consul, the state directory if there is one
 * May change:     spec/settings: the epoch is raised, drains end (and spec/revision with it)
 * Never changes:  a lock or a process
 * Exits:          0 done; 100 something runs, or may run
 */

import { listed } from '../lib/base/text.ts'
import { restored, restoring } from '../lib/operate/restored.ts'
import { print, program } from '../lib/program/frame.ts'
import { consulArgs, jsonArg, operatorDryRunArg, serviceArg, withService } from '../lib/program/operator.ts'
import { stateRoot } from '../lib/state/paths.ts'

program({
  name: 'restored',
  about: 'After a Consul backup was restored: raises the epoch of the fencing tokens, and ends all drains.',
  args: {
    ...serviceArg,
    state: { type: 'string', description: 'the state directory (default $WATCHBILL_STATE or /var/lib/watchbill)' },
    ...operatorDryRunArg,
    ...jsonArg,
    ...consulArgs,
  },
  deadline: 30_000,
  run: args =>
    withService(args, async (consul, service) => {
      const dryRun = args['dry-run'] ?? false
      const { epoch, undrained } = await (dryRun ? restoring : restored)(consul, service, args.state || stateRoot())
      if (args.json) print(JSON.stringify({ service, dryRun, epoch, undrained }))
      else
        print(
          `${dryRun ? 'would set' : 'set'} the epoch of ${service} to ${epoch}; no longer drained: ${listed(undrained) || 'none was'}`,
        )
    }),
})
