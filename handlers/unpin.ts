/**
 * Runs when:      an operator takes pins back, from any agent
 * Reads:          Consul
 * May change:     spec/placement
 * Never changes:  a lock or a process: the roster decides again
 * Exits:          0 done, or nothing to do; 100 an id is not a partition, and then nothing is changed
 */

import { changePins, pinLine, pinnedNow } from '../lib/operate/pin.ts'
import { print, program } from '../lib/program/frame.ts'
import { partitionArgs, withPartitions } from '../lib/program/operator.ts'

program({
  name: 'unpin',
  about: 'Takes back the pins of partitions: the roster decides again.',
  args: partitionArgs,
  deadline: 30_000,
  run: args =>
    withPartitions(
      'unpin',
      args,
      async (consul, partitions, dryRun) => {
        const pin = { service: args.service, partitions, instance: null, dryRun }
        const changed = await changePins(consul, pin)
        print(args.json ? JSON.stringify({ ...pin, changed }) : pinLine(pin, changed))
      },
      pinnedNow,
    ),
})
