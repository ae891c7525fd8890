/**
 * Runs when:      an operator wants partitions that are held to run again, from any agent
 * Reads:          Consul
 * May change:     spec/settings (and spec/revision with it)
 * Never changes:  a lock or a process: the assigned instances take and start the partitions
 * Exits:          0 done, or nothing to do; 100 an id is not a partition, and then nothing is changed
 */

import { holdProgram } from '../lib/operate/hold.ts'
import { program } from '../lib/program/frame.ts'
import { partitionArgs } from '../lib/program/operator.ts'

program({
  name: 'unhold',
  about: 'Lets held partitions run again.',
  args: partitionArgs,
  deadline: 30_000,
  run: args => holdProgram(args, false),
})
