/**
 * Runs when:      a reconcile has found locks that a failed node has lost, on a machine with power-off.json; or by hand
 * Reads:          power-off.json, Consul: the locks of all services
 * May change:     runs the commands of power-off.json; then watchbill/.power/, and locks of the node that is off, as clean
 * Never changes:  a lock that is not exactly as it was before the command ran; a lease, a process of this machine
 * Exits:          0 done, or nothing to do; 100 power-off.json is bad; 111 Consul is away
 */
import { reason } from '../lib/base/errors.ts'
import { powerOff, wouldPowerOff } from '../lib/power/power.ts'
import { print, program } from '../lib/program/frame.ts'
import { dryRunArg, instanceArgs, thisInstance } from '../lib/program/instance-args.ts'
import { runOf } from '../lib/program/once.ts'

program({
  name: 'power',
  about: 'Powers off a machine that has failed and has locks, as power-off.json says, so that others need not wait.',
  args: { ...instanceArgs, ...dryRunArg },
  deadline: 900_000,
  async run(args) {
    const run = runOf('power', thisInstance(args))
    try {
      if (args['dry-run']) print(await wouldPowerOff(run))
      else print(`${run.instance}: ${await powerOff(run)}`)
    } catch (error) {
      if (!args['dry-run']) run.log(`failed: ${reason(error)}`)
      throw error
    } finally {
      run.consul.close()
    }
  },
})
