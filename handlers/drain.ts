/**
 * Runs when:      an operator wants an instance to give up its partitions and stay, or to take some again
 * Reads:          Consul
 * May change:     spec/settings (and spec/revision with it)
 * Never changes:  a lock or a process: the instance itself hands over
 * Exits:          0 done, or nothing to do
 */
import { Permanent } from '../lib/base/errors.ts'
import { changeDrained, drainLine } from '../lib/operate/drain.ts'
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
      const drain = { service, instance, on, dryRun }
      const changed = await changeDrained(consul, drain)
      if (args.json) return print(JSON.stringify({ service, instance, drained: on, changed }))
      print(drainLine(drain, changed))
    })
  },
})
