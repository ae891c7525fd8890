/**
 * Runs when:      an operator wants partitions stopped on purpose, from any agent
 * Reads:          Consul
 * May change:     spec/settings (and spec/revision with it)
 * Never changes:  a lock or a process: the holders stop the partitions and give them back, and nobody takes them
 * Exits:          0 done, or nothing to do; 100 an id is not a partition, and then nothing is changed
 */

import { holdProgram } from '../lib/operate/hold.ts'
import { program } from '../lib/program/frame.ts'
import { partitionArgs } from '../lib/program/operator.ts'

program({
  name: 'hold',
  about: 'Stops partitions on purpose: nobody runs them until unhold.',
  args: partitionArgs,
  deadline: 30_000,
  run: args => holdProgram(args, true),
})
