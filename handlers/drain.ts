/**
 * Runs when:      an operator wants an instance to give up its partitions and stay, or to take some again
 * Reads:          Consul
 * May change:     spec/settings (and spec/revision with it)
 * Never changes:  a lock or a process: the instance itself hands over
 * Exits:          0 done, or nothing to do
 */
import { Permanent } from '../lib/base/errors.ts'
import { keysOf } from '../lib/base/names.ts'
import { changeSettings, type Settings } from '../lib/keys/settings.ts'
import { readStatus } from '../lib/operate/status/status.ts'
import { print, program } from '../lib/program/frame.ts'
import { consulArgs, jsonArg, mustKnow, serviceArg, withConsul } from '../lib/program/operator.ts'

program({
  name: 'drain',
  about: 'Makes an instance give up its partitions and stay in the cluster (on), or take part in full again (off).',
  args: {
    ...serviceArg,
    instance: { type: 'positional', description: 'the instance, <node>:<service id>', required: true },
    switch: { type: 'positional', description: 'on or off', required: false, default: 'on' },
    'dry-run': { type: 'boolean', description: 'say what would change' },
    ...jsonArg,
    ...consulArgs,
  },
  deadline: 30_000,
  run: args =>
    withConsul(args, async consul => {
      const { service, instance } = args
      if (args.switch !== 'on' && args.switch !== 'off') throw new Permanent(`cannot read the arguments: say on or off`)
      await mustKnow(consul, service)
      const { instances } = await readStatus(consul, service)
      const before = instances.find(candidate => candidate.instance === instance)?.state
      if (args.switch === 'on' && before === undefined) {
        const there = instances.map(({ instance }) => instance).join(', ') || 'none'
        throw new Permanent(`cannot drain ${instance}: ${service} has no such instance; there are: ${there}`)
      }
      const change = args.switch === 'on' ? drained(instance) : undrained(instance)
      const changed = args['dry-run']
        ? (before === 'drained') !== (args.switch === 'on')
        : (await changeSettings(consul, keysOf(service), change)).changed
      if (args.json) print(JSON.stringify({ service, instance, drained: args.switch === 'on', changed }))
      else
        print(
          `${instance} ${args['dry-run'] ? 'would be' : 'is'} ${args.switch === 'on' ? '' : 'not '}drained${changed ? '' : ', as before'}`,
        )
    }),
})

function drained(instance: string) {
  return (settings: Settings) => ({ ...settings, drained: [...new Set([...settings.drained, instance])].sort() })
}

function undrained(instance: string) {
  return (settings: Settings) => ({ ...settings, drained: settings.drained.filter(one => one !== instance) })
}
