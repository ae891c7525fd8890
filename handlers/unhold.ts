/**
 * Runs when:      an operator wants partitions that are held to run again, from any agent
 * Reads:          Consul
 * May change:     spec/settings (and spec/revision with it)
 * Never changes:  a lock or a process: who is to have them takes and starts them
 * Exits:          0 done, or nothing to do; 100 one of them is no partition, and then nothing is changed
 */

import { holdProgram } from '../lib/operate/hold.ts'
import { program } from '../lib/program/frame.ts'
import { partitionArgs } from '../lib/program/operator.ts'

program({
  name: 'unhold',
  about: 'Lets partitions run again that are held.',
  args: partitionArgs,
  deadline: 30_000,
  run: args => holdProgram(args, false),
})
