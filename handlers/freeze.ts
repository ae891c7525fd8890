/**
 * Runs when:      an operator wants nothing to move, from any agent, such as before work on the network
 * Reads:          Consul
 * May change:     spec/freeze (and spec/revision with it)
 * Never changes:  a lock or a process
 * Exits:          0 done, or nothing to do
 */
import { freezeByHand } from '../lib/operate/freeze.ts'
import { print, program } from '../lib/program/frame.ts'
import { consulArgs, jsonArg, operatorDryRunArg, serviceArg, withService } from '../lib/program/operator.ts'

program({
  name: 'freeze',
  about: 'Freezes a service: nothing moves, nobody takes what others lose, and no set shrinks, until thaw.',
  args: {
    ...serviceArg,
    why: { type: 'string', description: 'the reason, which status shows' },
    ...operatorDryRunArg,
    ...jsonArg,
    ...consulArgs,
  },
  deadline: 30_000,
  run: args =>
    withService(args, async (consul, service) => {
      const dryRun = args['dry-run'] ?? false
      const changed = await freezeByHand(consul, service, args.why ?? '', dryRun)
      if (args.json) return print(JSON.stringify({ service, frozen: true, changed, dryRun }))
      print(`${service} ${dryRun ? 'would be' : 'is'} frozen${changed ? '' : ', as before'}`)
    }),
})
