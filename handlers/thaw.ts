/**
 * Runs when:      an operator wants a frozen service to go on, from any agent
 * Reads:          Consul
 * May change:     spec/freeze (and spec/revision with it)
 * Never changes:  a lock or a process: the instances take over what was lost, after its takeover wait
 * Exits:          0 done, or nothing to do
 */
import { thawByHand } from '../lib/operate/thaw.ts'
import { print, program } from '../lib/program/frame.ts'
import { consulArgs, jsonArg, operatorDryRunArg, serviceArg, withService } from '../lib/program/operator.ts'

program({
  name: 'thaw',
  about: 'Ends the freeze of a service, whether people or lost instances froze it.',
  args: { ...serviceArg, ...operatorDryRunArg, ...jsonArg, ...consulArgs },
  deadline: 30_000,
  run: args =>
    withService(args, async (consul, service) => {
      const dryRun = args['dry-run'] ?? false
      const changed = await thawByHand(consul, service, dryRun)
      if (args.json) return print(JSON.stringify({ service, frozen: false, changed, dryRun }))
      print(`${service} ${dryRun ? 'would be' : 'is'} not frozen${changed ? '' : ', as before'}`)
    }),
})
