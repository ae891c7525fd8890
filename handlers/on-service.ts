/**
 * Runs when:      an instance of the service comes, goes, or changes its health (Consul's service watch)
 * Reads:          stdin (the service's instances), Consul, the state directory
 * May change:     this instance's locks and processes, the service's partition set, the state directory
 * Never changes:  what another instance holds
 * Exits:          0 done, or nothing changed; 100 stdin or the definition is wrong; 111 Consul is away
 */
import { healthyLine, isHealthy, serviceDigest } from '../lib/consul/watch.ts'
import { program } from '../lib/program/frame.ts'
import { handlerDeadline, onWatch, watchArgs } from '../lib/program/watch-handler.ts'
import { readFact } from '../lib/state/facts.ts'
import type { Self } from '../lib/state/self.ts'

/** A look is not needed when healthy instances only came: each writes spec/joined when it takes part, which causes one. */
function concerns({ instance, files }: Self, gone: readonly string[], come: readonly string[]): boolean {
  const members = readFact(files.members)
  if (members === null || gone.length > 0) return true
  const known = [instance, ...members.split('\n')].map(healthyLine)
  return come.some(line => known.includes(line) || !isHealthy(line))
}

program({
  name: 'on-service',
  about: 'Run by Consul: an instance of the service came, went or changed its health.',
  args: watchArgs,
  deadline: handlerDeadline,
  run: args => onWatch({ handler: 'on-service', digest: serviceDigest, onChange: concerns }, args),
})
