/**
 * Runs when:      an operator wants more or fewer partitions, from any agent
 * Reads:          Consul
 * May change:     spec/number, the numbered partitions of the set, and the locks of new ones
 * Never changes:  an existing lock or a process: the holders stop what goes away and give it back
 * Exits:          0 done, or nothing to do; 100 the partitions have names, or come from a source, or the service is frozen; 111
 *                 no set is written yet, or Consul is away
 */
import { countWords } from '../lib/keys/count.ts'
import { lookAtCluster } from '../lib/look/read-cluster.ts'
import { numberNow, reachedIt, scale, scaledWords, wantedBy } from '../lib/operate/scale.ts'
import { print, program } from '../lib/program/frame.ts'
import { consulArgs, jsonArg, operatorDryRunArg, serviceArg, waitLimit, withService } from '../lib/program/operator.ts'

program({
  name: 'scale',
  about:
    'Sets how many partitions a service has, numbered from 0, whatever the definitions say; prints the number without one.',
  args: {
    ...serviceArg,
    to: { type: 'positional', description: 'a number, or a percentage such as 7%', required: false },
    by: { type: 'string', description: 'so many more or fewer: +2, or --by=-2' },
    of: { type: 'string', description: 'what the percentage is of: weight (default), or meta.<name>' },
    settle: {
      type: 'string',
      description: 'how long a change of members must stand before a percentage follows (30s)',
    },
    reset: { type: 'boolean', description: 'go back to what the definitions say' },
    wait: { type: 'string', description: 'how long to wait at most for the set', default: '60s' },
    ...operatorDryRunArg,
    ...jsonArg,
    ...consulArgs,
  },
  deadline: 3_700_000,
  run: args =>
    withService(args, async (consul, service) => {
      const [dryRun, json, limit] = [args['dry-run'] ?? false, args.json ?? false, waitLimit(args.wait)]
      const wanted = wantedBy(args)
      if (wanted === null) {
        const cluster = await lookAtCluster(consul, service)
        const [number, share] = [numberNow(cluster), cluster.count?.share ?? null]
        const by = cluster.count?.by ?? 'definition'
        if (json) return print(JSON.stringify({ service, number, percent: share?.percent, of: share?.of, by }))
        return print(`${service}: ${countWords({ number, share })} partitions, by ${by}`)
      }
      const done = await scale(consul, service, wanted, dryRun)
      if (!dryRun && limit > 0) await reachedIt(consul, service, limit)
      print(json ? JSON.stringify({ ...done, dryRun }) : scaledWords(done, dryRun))
    }),
})
