/**
 * Runs when:      an operator wants partitions stopped on purpose, from any agent
 * Reads:          Consul
 * May change:     spec/settings (and spec/revision with it)
 * Never changes:  a lock or a process: who runs them stops them and gives them back, and nobody takes them
 * Exits:          0 done, or nothing to do; 100 one of them is no partition, and then nothing is changed
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
