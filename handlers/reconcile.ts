/**
 * Runs when:      the guard has seen that there is something to do; or by hand
 * Reads:          Consul, the state directory
 * May change:     this instance's locks and processes, the service's partition set, the state directory
 * Never changes:  what another instance holds
 * Exits:          0 done, or nothing to do; 100 the definition is wrong; 111 Consul is away
 */
import { print, program } from '../lib/program/frame.ts'
import { afterArg, dryRunArg, instanceArgs, thisInstance, waitFirst } from '../lib/program/instance-args.ts'
import { reconcileOnce } from '../lib/program/once.ts'
import { handlerDeadline } from '../lib/program/watch-handler.ts'

program({
  name: 'reconcile',
  about: 'Looks at the cluster once and does what is missing for one instance.',
  args: {
    ...instanceArgs,
    ...dryRunArg,
    ...afterArg,
  },
  deadline: handlerDeadline,
  async run(args) {
    await waitFirst(args.after)
    print(await reconcileOnce('reconcile', thisInstance(args), args['dry-run'] ?? false))
  },
})
