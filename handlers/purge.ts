/**
 * Runs when:      the last instance of a service is gone for good, and Consul should keep nothing of the service
 * Reads:          Consul
 * May change:     everything below watchbill/<service>/ is deleted: the set, documents, settings, locks
 * Never changes:  anything while an instance is there, a lock is held, or a process of an earlier holder may still run
 * Exits:          0 done; 100 it is not gone
 */

import { purge, purgeable } from '../lib/operate/purge.ts'
import { print, program, remark } from '../lib/program/frame.ts'
import { confirm, consulArgs, jsonArg, operatorDryRunArg, serviceArg, withService } from '../lib/program/operator.ts'

program({
  name: 'purge',
  about: "Deletes a service's keys in Consul, once no machine runs the service any more.",
  args: {
    ...serviceArg,
    yes: { type: 'boolean', description: 'do not ask' },
    ...operatorDryRunArg,
    ...jsonArg,
    ...consulArgs,
  },
  deadline: 600_000,
  run: args =>
    withService(args, async (consul, service) => {
      const dryRun = args['dry-run'] ?? false
      const there = await purgeable(consul, service)
      const question = `Delete all ${there} keys of ${service}, with its partitions and their documents?`
      if (!dryRun && !args.yes) await confirm('purge', question)
      const deleted = dryRun ? there : await purge(consul, service, remark)
      if (args.json) print(JSON.stringify({ service, dryRun, deleted }))
      else print(`${dryRun ? 'would purge' : 'purged'} ${service}: ${deleted} keys`)
    }),
})
