/**
 * Runs when:      a check of the service changes its status, anywhere (Consul's checks watch)
 * Reads:          stdin (the service's checks), Consul, the state directory
 * May change:     this instance's log, locks and processes, the state directory
 * Never changes:  what another instance holds
 * Exits:          0 done, or no check of this instance changed; 100 stdin or the definition is wrong; 111 Consul is away
 */
import { checksDigest } from '../lib/consul/watch.ts'
import { program } from '../lib/frame.ts'
import { appendLog } from '../lib/state/log.ts'
import { handlerDeadline, onWatch, watchArgs } from '../lib/watch-handler.ts'

program({
  name: 'on-checks',
  about: 'Run by Consul: a check of the service changed its status.',
  args: watchArgs,
  deadline: handlerDeadline,
  run: args =>
    onWatch('on-checks', args, checksDigest, ({ instance, files }, before, now) => {
      const old = new Set(before.split('\n'))
      for (const check of now.split('\n')) {
        if (check !== '' && !old.has(check)) appendLog(files.log, `${instance} on-checks: check ${check}`)
      }
    }),
})
