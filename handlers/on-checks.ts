/**
 * Runs when:      a check of the service, or of a partition, changes its status, anywhere (Consul's checks watch)
 * Reads:          stdin (the service's checks), Consul, the state directory
 * May change:     this instance's log, locks and processes, the state directory
 * Never changes:  what another instance holds
 * Exits:          0 done, or no check of this instance changed; 100 stdin or the definition is wrong; 111 Consul is away
 */
import { checksDigest } from '../lib/consul/watch.ts'
import { program } from '../lib/program/frame.ts'
import { handlerDeadline, onWatch, watchArgs } from '../lib/program/watch-handler.ts'
import { appendLog } from '../lib/state/log.ts'
import type { Self } from '../lib/state/self.ts'

function logChecks({ instance, files }: Self, _gone: readonly string[], come: readonly string[]): boolean {
  for (const check of come) appendLog(files.log, `${instance} on-checks: check ${check}`)
  return true
}

/** Checks of partitions do not change who takes part, so no reconcile: start attend, which runs hooks and reactions. */
async function attendNow(here: Self): Promise<string> {
  const [{ attendSoon }, { startDetached }] = await Promise.all([
    import('../lib/attend/attend.ts'),
    import('../lib/process/beside.ts'),
  ])
  attendSoon(here)
  startDetached('attend', here)
  return 'started attend for its checks'
}

program({
  name: 'on-checks',
  about: 'Run by Consul: a check of the service, or of its partitions, changed its status.',
  args: {
    ...watchArgs,
    watch: {
      type: 'string',
      description: 'which checks: of the instances (service) or of the partitions (partitions)',
      default: 'service',
    },
  },
  deadline: handlerDeadline,
  run: args =>
    args.watch === 'partitions'
      ? onWatch(
          { handler: 'on-checks-partitions', digest: (text, here) => checksDigest(text, here, true), act: attendNow },
          args,
        )
      : onWatch({ handler: 'on-checks', digest: checksDigest, onChange: logChecks }, args),
})
