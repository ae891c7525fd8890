/**
 * Runs when:      an operator takes this machine out of a service, for good or until the next reload of the agent
 * Reads:          Consul, the state directory
 * May change:     this instance's locks, processes, session, member key and registration
 * Never changes:  what another instance holds; the file in consul.d
 * Exits:          0 everything is stopped and given back
 */

import { attend } from '../lib/attend/attend.ts'
import { Permanent } from '../lib/base/errors.ts'
import { leave, leavingSteps } from '../lib/operate/leave.ts'
import { print, program } from '../lib/program/frame.ts'
import { thisInstance } from '../lib/program/instance-args.ts'
import { runOf } from '../lib/program/once.ts'
import { consulArgs, jsonArg, serviceArg, whoAsks } from '../lib/program/operator.ts'
import { definitionInForce } from '../lib/state/definition.ts'
import { identityOf, localInstances } from '../lib/state/identity.ts'
import { instanceFiles, stateRoot } from '../lib/state/paths.ts'

const limit = 600_000

program({
  name: 'leave',
  about: "Stops this machine's partitions of a service, hands them over, and takes the instance out of the cluster.",
  args: {
    ...serviceArg,
    instance: { type: 'string', description: 'which instance, when the service has several on this machine' },
    state: { type: 'string', description: 'the state directory (default $WATCHBILL_STATE or /var/lib/watchbill)' },
    'dry-run': { type: 'boolean', description: 'print the steps instead of acting' },
    ...jsonArg,
    ...consulArgs,
  },
  deadline: limit + 10_000,
  async run(args) {
    const root = args.state || stateRoot()
    const instance = oneInstance(root, args.service, args.instance)
    const definition = definitionInForce(instanceFiles(root, instance))?.file ?? ''
    const run = runOf('leave', thisInstance({ ...args, instance, state: root, definition }), whoAsks)
    try {
      if (args['dry-run']) {
        for (const step of (await leavingSteps(run, false)).steps) print(JSON.stringify(step))
        return
      }
      const released = await leave(run, limit)
      await attend(run, 0) // runs the last hooks: the guard, which would start them, is deregistered
      if (args.json) print(JSON.stringify({ instance, released }))
      else print(`${instance} left: ${released} partitions given back; a reload of the agent lets it in again`)
    } finally {
      run.consul.close()
    }
  },
})

/** The instance that is meant. @throws Permanent when the service has none here, or several and none is named */
function oneInstance(root: string, service: string, wanted: string | undefined): string {
  const here = localInstances(root).filter(instance => identityOf(instanceFiles(root, instance))?.service === service)
  const found = wanted === undefined ? here : here.filter(instance => instance === wanted)
  if (found.length === 1) return found[0] as string
  const there =
    here.length > 0 ? `there are ${here.join(', ')}; name one with --instance` : `there is none in ${root}; see --state`
  throw new Permanent(`cannot leave ${wanted ?? service}: it is not clear which instance; ${there}`)
}
