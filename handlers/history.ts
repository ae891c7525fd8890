/**
 * Runs when:      somebody wants to see the last hour of an instance, or of a partition, on the machine that runs it
 * Reads:          the figures in the state directories of this machine
 * May change:     nothing
 * Never changes:  anything
 * Exits:          0; 100 this machine has no figures of it
 */
import { bootClock } from '../lib/base/clock.ts'
import { Permanent } from '../lib/base/errors.ts'
import { shellWords } from '../lib/base/printable.ts'
import { instanceHistory, instancePage, partitionHistory, partitionPage } from '../lib/operate/figures/history.ts'
import { print, program } from '../lib/program/frame.ts'
import { jsonArg, serviceArg } from '../lib/program/operator.ts'
import { instancesHere } from '../lib/state/figures/here.ts'
import { stateRoot } from '../lib/state/paths.ts'

program({
  name: 'history',
  about: 'Shows the last hour of an instance, or of one of its partitions, as this machine wrote it down.',
  args: {
    ...serviceArg,
    partition: { type: 'positional', description: 'the partition (default: the instance itself)', required: false },
    state: { type: 'string', description: 'the state directory (default $WATCHBILL_STATE or /var/lib/watchbill)' },
    ...jsonArg,
  },
  deadline: 30_000,
  async run({ service, partition, state, json }) {
    const now = bootClock()
    const here = instancesHere(state || stateRoot(), service)
    const found = here
      .map(one => (partition === undefined ? instanceHistory(one, now) : partitionHistory(one, partition, now)))
      .filter(({ rows }) => rows.length > 0)
    if (found.length === 0) throw none(service, partition)
    for (const { instance, rows } of found) {
      if (json) print(JSON.stringify({ service, instance, ...(partition !== undefined && { partition }), rows }))
      else {
        if (found.length > 1) print(instance)
        print(partition === undefined ? instancePage(rows) : partitionPage(rows))
      }
    }
  },
})

function none(service: string, partition: string | undefined): Permanent {
  const what = partition === undefined ? service : `${partition} of ${service}`
  const next = partition === undefined ? 'run it where an instance is' : 'run it on the machine that'
  const todo = partition === undefined ? next : `${next} watchbill owner ${shellWords(service, partition)} names`
  return new Permanent(`cannot show the history of ${what}: this machine has no figures of the last hour; ${todo}`)
}
