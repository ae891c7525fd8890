/**
 * Runs when:      a handler or the guard has seen that the scheduler of the service is due; or by hand
 * Reads:          Consul, the state directory; what the scheduler prints
 * May change:     duty/scheduler; while it holds that: the plan in force, the number of partitions, what people asked for
 * Never changes:  a process, a lock; anything, when the answer may not be followed
 * Exits:          0 done, or another instance runs it; 111 Consul is away. `status` shows a scheduler that fails
 */
import { reason } from '../lib/base/errors.ts'
import { print, program } from '../lib/program/frame.ts'
import { afterArg, instanceArgs, thisInstance, waitFirst } from '../lib/program/instance-args.ts'
import { runOf } from '../lib/program/once.ts'
import { schedule } from '../lib/scheduler/schedule.ts'

program({
  name: 'scheduler',
  about: 'Runs the scheduler of a service, which decides who has what, if this instance has that duty.',
  args: { ...instanceArgs, ...afterArg },
  deadline: 600_000,
  async run(args) {
    await waitFirst(args.after)
    const run = runOf('scheduler', thisInstance(args))
    try {
      print(`${run.instance}: ${await schedule(run)}`)
    } catch (error) {
      run.log(`failed: ${reason(error)}`)
      throw error
    } finally {
      run.consul.close()
    }
  },
})
