/**
 * Runs when:      an operator wants an instance to give up its partitions and stay, or to take some again
 * Reads:          Consul
 * May change:     spec/settings (and spec/revision with it)
 * Never changes:  a lock or a process: the instance itself hands over
 * Exits:          0 done, or nothing to do
 */
import { Permanent } from '../lib/base/errors.ts'
import { keysOf } from '../lib/base/names.ts'
import { byName } from '../lib/base/text.ts'
import { changeSettings, type Settings, withDrain, withoutDrain } from '../lib/keys/settings.ts'
import { lookAtInstances } from '../lib/look/part.ts'
import { print, program } from '../lib/program/frame.ts'
import { consulArgs, jsonArg, operatorDryRunArg, serviceArg, withService } from '../lib/program/operator.ts'

program({
  name: 'drain',
  about: 'Makes an instance give up its partitions and stay in the cluster (on), or take part in full again (off).',
  args: {
    ...serviceArg,
    instance: { type: 'positional', description: 'the instance, <node>:<service id>', required: true },
    switch: { type: 'positional', description: 'on or off', required: false, default: 'on' },
    ...operatorDryRunArg,
    ...jsonArg,
    ...consulArgs,
  },
  deadline: 30_000,
  async run(args) {
    const { instance } = args
    if (args.switch !== 'on' && args.switch !== 'off') throw new Permanent(`cannot read the arguments: say on or off`)
    const [on, dryRun] = [args.switch === 'on', args['dry-run'] ?? false]
    await withService(args, async (consul, service) => {
      const { members, registered, settings } = await lookAtInstances(consul, service)
      const instances = new Set([...members, ...registered].map(one => one.instance))
      if (on && !instances.has(instance)) {
        const there = [...instances].sort(byName).join(', ') || 'none'
        throw new Permanent(`cannot drain ${instance}: ${service} has no such instance; there are: ${there}`)
      }
      const change = (before: Settings) => (on ? withDrain(before, instance) : withoutDrain(before, [instance]))
      const changed = dryRun
        ? JSON.stringify(change(settings)) !== JSON.stringify(settings)
        : (await changeSettings(consul, keysOf(service), change)).changed
      if (args.json) return print(JSON.stringify({ service, instance, drained: on, changed }))
      print(`${instance} ${dryRun ? 'would be' : 'is'} ${on ? '' : 'not '}drained${changed ? '' : ', as before'}`)
    })
  },
})
