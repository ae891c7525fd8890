/**
 * Runs when:      the guard, or a handler, has seen that a check or a hook is due; or by hand
 * Reads:          the definition, the state directory, Consul's agent
 * May change:     the partitions' services and checks in the agent; runs check commands, hooks and the reactions to checks:
 *                 restart, release, drain
 * Never changes:  a lease; what another instance holds
 * Exits:          0 done, or nothing is due; 100 there is no definition; 111 the state directory cannot be used
 */
import { attend } from '../lib/attend/attend.ts'
import { duration } from '../lib/base/clock.ts'
import { Permanent, reason } from '../lib/base/errors.ts'
import { print, program } from '../lib/program/frame.ts'
import { instanceArgs, thisInstance } from '../lib/program/instance-args.ts'
import { runOf } from '../lib/program/once.ts'

program({
  name: 'attend',
  about: 'Runs the checks and hooks of one instance that are due.',
  args: {
    ...instanceArgs,
    window: { type: 'string', description: 'how long to stay for checks and hooks that are due soon', default: '2s' },
  },
  deadline: 600_000,
  async run(args) {
    const window = duration(args.window)
    if (window === null) throw new Permanent(`cannot read the arguments: --window ${args.window} is no duration`)
    const run = runOf('attend', thisInstance(args))
    try {
      print(`${run.instance}: ${await attend(run, window)}`)
    } catch (error) {
      run.log(`failed: ${reason(error)}`)
      throw error
    } finally {
      run.consul.close()
    }
  },
})
