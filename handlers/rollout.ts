/**
 * Runs when:      the guard has seen that something is due for a roll-out or for versions; or by hand
 * Reads:          Consul, the state directory
 * May change:     duty/rollout, the record of the roll-out, its part of the settings, requests to restart; runs prepare and
 *                 clean of the definition
 * Never changes:  a lock of a partition, a lease, a process: their holders restart what they are asked to
 * Exits:          0 done, or nothing to do; 111 Consul is away, or another program was faster
 */
import { reason } from '../lib/base/errors.ts'
import { print, program } from '../lib/program/frame.ts'
import { instanceArgs, thisInstance } from '../lib/program/instance-args.ts'
import { runOf } from '../lib/program/once.ts'
import { rollOut } from '../lib/rollout/round.ts'

program({
  name: 'rollout',
  about: 'Has a roll-out go on, if this instance has that duty, and prepares and cleans versions here.',
  args: instanceArgs,
  deadline: 60_000,
  async run(args) {
    const run = runOf('rollout', thisInstance(args))
    try {
      print(`${run.instance}: ${await rollOut(run)}`)
    } catch (error) {
      run.log(`failed: ${reason(error)}`)
      throw error
    } finally {
      run.consul.close()
    }
  },
})
