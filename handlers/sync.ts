/**
 * Runs when:      the guard has seen that a fetch is due, or somebody asked for one; or by hand
 * Reads:          the source of the partitions, Consul, the state directory
 * May change:     duty/source; while it holds that: the partitions that were not added by hand, and their documents
 * Never changes:  a process, an existing lock; anything, when the fetched set cannot be believed
 * Exits:          0 done, or another instance fetches; 111 Consul is away. `status` shows a source that fails
 */
import { reason } from '../lib/base/errors.ts'
import { print, program } from '../lib/program/frame.ts'
import { afterArg, instanceArgs, thisInstance, waitFirst } from '../lib/program/instance-args.ts'
import { runOf } from '../lib/program/once.ts'
import { sync } from '../lib/sources/sync.ts'

program({
  name: 'sync',
  about: 'Fetches the partitions of a service from their source, if this instance has that duty.',
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
