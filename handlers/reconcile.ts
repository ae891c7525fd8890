/**
 * Runs when:      the guard has seen that something is to be done; or by hand
 * Reads:          Consul, the state directory
 * May change:     this instance's locks and processes, the service's partition set, the state directory
 * Never changes:  what another instance holds
 * Exits:          0 done, or nothing to do; 100 the definition is wrong; 111 Consul is away
 */
import { setTimeout as delay } from 'node:timers/promises'
import { Permanent } from '../lib/errors.ts'
import { print, program } from '../lib/frame.ts'
import { dryRunArg, instanceArgs, thisInstance } from '../lib/instance-args.ts'
import { reconcileOnce } from '../lib/reconcile-once.ts'
import { handlerDeadline } from '../lib/watch-handler.ts'

program({
  name: 'reconcile',
  about: 'Looks at the cluster once and does what is missing for one instance.',
  args: {
    ...instanceArgs,
    ...dryRunArg,
    after: { type: 'string', description: 'wait so many ms first (the end of a takeover wait)', default: '0' },
  },
  deadline: handlerDeadline,
  async run(args) {
    if (!/^\d{1,5}$/.test(args.after)) throw new Permanent(`cannot read the arguments: --after is not a number of ms`)
    await delay(Number(args.after))
    print(await reconcileOnce('reconcile', thisInstance(args), args['dry-run'] ?? false))
  },
})
