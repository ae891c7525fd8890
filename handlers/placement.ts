/**
 * Runs when:      an operator wants to see the rules of placement in force, or to put those of a definition file in force
 * Reads:          Consul; with apply a definition file
 * May change:     spec/placement
 * Never changes:  a lock or a process: the holders hand over as at any change of the roster
 * Exits:          0 done, or nothing to do
 */
import { Permanent } from '../lib/base/errors.ts'
import { applyPlacement, placementJson, placementLines, placementNow } from '../lib/operate/placement.ts'
import { print, program } from '../lib/program/frame.ts'
import { consulArgs, jsonArg, operatorDryRunArg, serviceArg, withService } from '../lib/program/operator.ts'

program({
  name: 'placement',
  about: 'Shows the rules of placement in force, or puts those of a definition file in force.',
  args: {
    ...serviceArg,
    action: { type: 'positional', description: 'show or apply', required: false, default: 'show' },
    definition: { type: 'positional', description: 'apply: the definition file', required: false },
    ...operatorDryRunArg,
    ...jsonArg,
    ...consulArgs,
  },
  deadline: 30_000,
  run: args =>
    withService(args, async (consul, service) => {
      const { action, definition, 'dry-run': dryRun = false } = args
      if (action === 'show') {
        const found = await placementNow(consul, service)
        return print(args.json ? placementJson(found) : placementLines(found))
      }
      if (action !== 'apply')
        throw new Permanent(`cannot read the arguments: "${action}" is no action; say show or apply`)
      if (definition === undefined) throw new Permanent('cannot read the arguments: apply needs a definition file')
      const changed = await applyPlacement(consul, service, definition, dryRun)
      if (args.json) return print(JSON.stringify({ service, definition, changed }))
      const done = dryRun ? 'would be put in force' : 'is in force'
      print(`the placement of ${definition} ${done}${changed ? '' : ', as before'}`)
    }),
})
