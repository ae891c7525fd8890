/**
 * Runs when:      a partition's process, or anyone on its machine, reports the status of one of its TTL checks
 * Reads:          WATCHBILL_INSTANCE and WATCHBILL_PARTITION, which a partition's process has
 * May change:     one check of the partition, in Consul's agent
 * Never changes:  anything else
 * Exits:          0 done; 100 there is no such check here; 111 the agent is away
 */
import { sayArgs, sayHow } from '../lib/operate/say.ts'
import { program } from '../lib/program/frame.ts'

program({
  name: 'fail',
  about: "Fails a check that a partition's process reports by itself.",
  args: sayArgs,
  deadline: 15_000,
  run: args => sayHow('fail', args),
})
