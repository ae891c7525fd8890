/**
 * Runs when:      an operator takes this machine out of a service, for good or until the next reload of the agent; the machine stops
 * Reads:          Consul, the state directory
 * May change:     this instance's locks, processes, session, member key and registration
 * Never changes:  what another instance holds; the file in consul.d
 * Exits:          0 everything is stopped and given back; 111 with --for-shutdown: something was not, and is taken over later
 */

import { resolve } from 'node:path'
import type { ParsedArgs } from 'citty'
import { attend } from '../lib/attend/attend.ts'
import { Permanent } from '../lib/base/errors.ts'
import { instanceToLeave } from '../lib/operate/instances-to-leave.ts'
import { leave, leavingSteps } from '../lib/operate/leave.ts'
import { exit, print, program, remark } from '../lib/program/frame.ts'
import { thisInstance } from '../lib/program/instance-args.ts'
import { runOf } from '../lib/program/once.ts'
import { consulArgs, consulDir, consulDirArg, jsonArg, serviceArg, whoAsks } from '../lib/program/operator.ts'
import { definitionInForce } from '../lib/state/definition.ts'
import { instanceFiles, stateRoot } from '../lib/state/paths.ts'
import type { Run } from '../lib/state/self.ts'

const limit = 600_000

const known = {
  service: { ...serviceArg.service, required: false },
  instance: { type: 'string', description: 'which instance, when the service has several on this machine' },
  all: { type: 'boolean', description: 'every instance on this machine, in place of a service' },
  'for-shutdown': { type: 'boolean', description: 'the machine stops: kill what does not stop within --limit' },
  limit: { type: 'string', description: 'with --for-shutdown: how long that may take in all (default 30s)' },
  ...consulDirArg,
  state: { type: 'string', description: 'the state directory (default $WATCHBILL_STATE or /var/lib/watchbill)' },
  'dry-run': { type: 'boolean', description: 'print the steps instead of acting' },
  ...jsonArg,
  ...consulArgs,
} as const
type Args = ParsedArgs<typeof known>

program({
  name: 'leave',
  about: "Stops this machine's partitions of a service, hands them over, and takes the instance out of the cluster.",
  args: known,
  deadline: limit + 10_000,
  async run(args): Promise<number> {
    const root = args.state || stateRoot()
    const shutdownLimit = args['for-shutdown']
      ? (await import('../lib/operate/shutdown.ts')).limitIn(args.limit ?? '30s')
      : null
    if (args.limit !== undefined && shutdownLimit === null) throw wrong('--limit goes with --for-shutdown')
    if (args.all) return everyInstance(root, args, shutdownLimit)
    if (args.service === undefined) throw wrong('name a service, or give --all')
    const instance = instanceToLeave(root, args.service, args.instance)
    const definition = definitionInForce(instanceFiles(root, instance))?.file ?? ''
    const here = thisInstance({ ...args, service: args.service, instance, state: root, definition })
    const run = runOf('leave', here, whoAsks)
    try {
      if (args['dry-run']) {
        for (const step of (await leavingSteps(run, false)).steps) print(JSON.stringify(step))
        return exit.done
      }
      if (shutdownLimit !== null) return await beforeShutdown(run, shutdownLimit, args.json ?? false)
      const released = await leave(run, limit)
      await attend(run, 0) // runs the last hooks: the guard, which would start them, is deregistered
      if (args.json) print(JSON.stringify({ instance, released }))
      else print(`${instance} left: ${released} partitions given back; a reload of the agent lets it in again`)
      return exit.done
    } finally {
      run.consul.close()
    }
  },
})

function wrong(what: string): Permanent {
  return new Permanent(`cannot read the arguments: ${what}`)
}

async function everyInstance(root: string, args: Args, shutdownLimit: number | null): Promise<number> {
  if (args.service !== undefined) throw wrong('--all is every service; leave out the service, or --all')
  if (args.instance !== undefined) throw wrong('--all is every instance; leave out --instance, or --all')
  const { leaveAll } = await import('../lib/operate/leave-all.ts')
  const flags = (['dry-run', 'json', 'debug'] as const).filter(name => args[name]).map(name => `--${name}`)
  const values = (['http-addr', 'token-file'] as const).flatMap(name => (args[name] ? [`--${name}`, args[name]] : []))
  const count = await leaveAll(resolve(root), consulDir(args), { shutdownLimit, more: [...values, ...flags] })
  // With --json there is a line for each instance, and so none.
  if (count === 0 && !args.json) print('there is no instance on this machine')
  return exit.done
}

async function beforeShutdown(run: Run, limit: number, json: boolean): Promise<number> {
  const { leaveForShutdown } = await import('../lib/operate/shutdown.ts')
  const { released, killed, lost, problem } = await leaveForShutdown(run, limit)
  const { instance } = run
  if (json) print(JSON.stringify({ instance, released, killed, lost, problem }))
  else {
    print(`${instance} left for the shutdown: ${released} partitions given back, ${killed.length} of them killed`)
    if (problem !== null) remark(`${instance}: not given back: ${lost.join(', ') || 'nothing'}: ${problem}`)
  }
  return problem === null ? exit.done : exit.temporary
}
