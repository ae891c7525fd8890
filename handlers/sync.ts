/**
 * Runs when:      the guard has seen that the set is to be fetched, or somebody asked for it; or by hand
 * Reads:          where the definition says the partitions are; Consul, the state directory
 * May change:     duty/source; when it holds that: the partitions that are not there by hand, with their documents
 * Never changes:  a process, a lock that is there; anything, when what it fetched cannot be believed
 * Exits:          0 done, or another instance fetches; 111 Consul is away. A source that fails is told in `status`
 */
import { reason } from '../lib/base/errors.ts'
import { print, program } from '../lib/program/frame.ts'
import { afterArg, instanceArgs, thisInstance, waitFirst } from '../lib/program/instance-args.ts'
import { runOf } from '../lib/program/once.ts'
import { sync } from '../lib/sources/sync.ts'

program({
  name: 'sync',
  about: 'Fetches the partitions of a service from where its definition says, if it is this instance that does so.',
  args: { ...instanceArgs, ...afterArg },
  deadline: 600_000,
  async run(args) {
    await waitFirst(args.after)
    const run = runOf('sync', thisInstance(args))
    try {
      print(`${run.instance}: ${await sync(run)}`)
    } catch (error) {
      run.log(`failed: ${reason(error)}`)
      throw error
    } finally {
      run.consul.close()
    }
  },
})
