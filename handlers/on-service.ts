/**
 * Runs when:      an instance of the service comes, goes, or changes its health (Consul's service watch)
 * Reads:          stdin (the service's instances), Consul, the state directory
 * May change:     this instance's locks and processes, the service's partition set, the state directory
 * Never changes:  what another instance holds
 * Exits:          0 done, or nothing changed; 100 stdin or the definition is wrong; 111 Consul is away
 */
import { serviceDigest } from '../lib/consul/watch.ts'
import { program } from '../lib/frame.ts'
import { handlerDeadline, onWatch, watchArgs } from '../lib/watch-handler.ts'

program({
  name: 'on-service',
  about: 'Run by Consul: an instance of the service came, went or changed its health.',
  args: watchArgs,
  deadline: handlerDeadline,
  run: args => onWatch('on-service', args, serviceDigest),
})
