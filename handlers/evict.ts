/**
 * Runs when:      an operator knows that an instance will not come back
 * Reads:          Consul
 * May change:     the instance's registration, session, and keys but its locks; its node's gossip membership if dead
 * Never changes:  a lock: each of the dead one's is taken over after its takeover wait
 * Exits:          0 done
 */
import { createInterface } from 'node:readline/promises'
import { Permanent } from '../lib/errors.ts'
import { checkEviction, evict, forceLeave } from '../lib/evict.ts'
import { print, program } from '../lib/frame.ts'
import { partsOf } from '../lib/instance-args.ts'
import { consulArgs, jsonArg, mustKnow, serviceArg, withConsul } from '../lib/operator.ts'
import { lookAtCluster } from '../lib/snapshot.ts'

program({
  name: 'evict',
  about: 'Takes a dead instance out of the cluster for good.',
  args: {
    ...serviceArg,
    instance: { type: 'positional', description: 'the instance, <node>:<service id>', required: true },
    yes: { type: 'boolean', description: 'do not ask' },
    force: { type: 'boolean', description: 'even one that lives: its session is destroyed' },
    'dry-run': { type: 'boolean', description: 'say what would be done' },
    ...jsonArg,
    ...consulArgs,
  },
  deadline: 300_000,
  run: args =>
    withConsul(args, async consul => {
      const { service, instance } = args
      const { node } = partsOf(instance)
      await mustKnow(consul, service)
      const cluster = await lookAtCluster(consul, service)
      checkEviction(cluster, instance, args.force ?? false)
      const dead = cluster.registered.some(one => one.node === node && !one.nodeAlive)
      if (!args['dry-run']) {
        if (!args.yes) await ask(`Take ${instance} out of ${service} for good?`)
        await evict(consul, cluster, instance)
        if (dead) await forceLeave(consul, node)
      }
      const done = { service, instance, evicted: !args['dry-run'], forcedOut: dead ? node : null }
      if (args.json) print(JSON.stringify(done))
      else
        print(
          `${instance} ${args['dry-run'] ? 'would be' : 'is'} evicted; its locks are taken over after their takeover wait`,
        )
    }),
})

/** @throws Permanent when the answer is not yes, or nobody is there to answer */
async function ask(question: string): Promise<void> {
  if (!process.stdin.isTTY) throw new Permanent('cannot ask: there is no terminal; say --yes')
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await terminal.question(`${question} [y/N] `)
  terminal.close()
  if (!/^y(es)?$/i.test(answer)) throw new Permanent('cannot evict: not confirmed')
}
