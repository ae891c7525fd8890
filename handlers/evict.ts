/**
 * Runs when:      an operator knows that an instance, or a whole node, will not come back
 * Reads:          Consul
 * May change:     the instances' registrations, sessions, and keys except locks; a dead node's membership in Consul; with
 *                 --is-off its locks as clean, and watchbill/.power/
 * Never changes:  a lock otherwise: others take over each lock of a dead instance after its takeover wait
 * Exits:          0 done
 */

import { Permanent } from '../lib/base/errors.ts'
import type { Consul } from '../lib/consul/http.ts'
import { lookAtCluster } from '../lib/look/read-cluster.ts'
import { type Eviction, evict, evictionLine, instanceEviction, nodeEviction } from '../lib/operate/evict.ts'
import { print, program } from '../lib/program/frame.ts'
import { ask, confirm, consulArgs, jsonArg, mustKnow, withConsul } from '../lib/program/operator.ts'

program({
  name: 'evict',
  about: 'Takes a dead instance, or a dead node with all its instances, out of the cluster for good.',
  args: {
    service: { type: 'positional', description: 'the Consul service name', required: false },
    instance: { type: 'positional', description: 'the instance, <node>:<service id>', required: false },
    node: { type: 'string', description: 'instead: a node, with all its instances of all services' },
    yes: { type: 'boolean', description: 'do not ask' },
    force: { type: 'boolean', description: 'even if it lives: its session is destroyed' },
    'is-off': {
      type: 'boolean',
      description: 'with --node: the machine is off for sure; others take its locks at once',
    },
    'yes-it-is-off': { type: 'string', description: 'with --is-off: do not ask; its name once more' },
    acknowledge: {
      type: 'boolean',
      description: 'with --node: forget that it was declared off; it is not unsafe any more',
    },
    'dry-run': { type: 'boolean', description: 'print what would be done, and change nothing' },
    ...jsonArg,
    ...consulArgs,
  },
  deadline: 300_000,
  run: args =>
    withConsul(args, async consul => {
      const { node, 'dry-run': dryRun = false } = args
      if (args.acknowledge) return print(await (await load()).acknowledge(consul, mustName(node), dryRun))
      const off = args['is-off'] ? await (await load()).lookBeforeAsking(consul, mustName(node)) : null
      if (off === null && args['yes-it-is-off'] !== undefined)
        throw new Permanent('cannot read the arguments: --yes-it-is-off needs --is-off; see --help')
      const eviction = await evictionOf(consul, args)
      let left: string[] = []
      if (!dryRun) {
        if (off !== null) await (await load()).mustBeSure(off, args['yes-it-is-off'], ask)
        else if (!args.yes) await confirm('evict', `Take ${evictionLine(eviction)} out for good?`)
        if (off !== null) left = await (await load()).declareOff(consul, off)
        await evict(consul, eviction)
      }
      const evicted = eviction.instances.map(({ instance, cluster }) => ({ instance, service: cluster.service }))
      const locks = off === null ? null : (await load()).cleanWords(off)
      if (args.json) print(JSON.stringify({ dryRun, evicted, forcedOut: eviction.node, ...(off && { locks, left }) }))
      else
        print(
          [
            `${dryRun ? 'would evict' : 'evicted'} ${evictionLine(eviction)}`,
            locks ?? 'locks are taken over after their takeover wait',
            ...left,
          ].join('; '),
        )
    }),
})

/** Few machines are surely off. */
function load() {
  return import('../lib/operate/is-off.ts')
}

function mustName(node: string | undefined): string {
  if (node !== undefined) return node
  throw new Permanent('cannot read the arguments: --is-off and --acknowledge need --node; see --help')
}

interface Which {
  readonly service?: string | undefined
  readonly instance?: string | undefined
  readonly node?: string | undefined
  readonly force?: boolean | undefined
}

async function evictionOf(consul: Consul, { service, instance, node, force = false }: Which): Promise<Eviction> {
  if (node !== undefined && service === undefined) return nodeEviction(consul, node, force)
  if (node !== undefined || service === undefined || instance === undefined)
    throw new Permanent('cannot read the arguments: give a service and an instance, or --node; see --help')
  await mustKnow(consul, service)
  return instanceEviction(await lookAtCluster(consul, service), instance, force)
}
