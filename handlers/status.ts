/**
 * Runs when:      somebody wants to know who runs what, and why something does not run
 * Reads:          Consul
 * May change:     nothing
 * Never changes:  anything
 * Exits:          0; with --check 1 unless all is as it should be; with --wait 111 when the time is over
 */
import { setTimeout as delay } from 'node:timers/promises'
import { duration } from '../lib/clock.ts'
import type { Consul } from '../lib/consul/http.ts'
import { Permanent, Temporary } from '../lib/errors.ts'
import { exit, print, program } from '../lib/frame.ts'
import { consulArgs, jsonArg, mustKnow, withConsul } from '../lib/operator.ts'
import { knownServices, readStatus, type Status } from '../lib/status.ts'
import { table } from '../lib/table.ts'

program({
  name: 'status',
  about: 'Says who runs what, and why something does not run.',
  args: {
    service: { type: 'positional', description: 'the Consul service name (default: all)', required: false },
    ...jsonArg,
    wait: { type: 'string', description: 'wait so long, such as 30s, until all is as it should be' },
    check: { type: 'boolean', description: 'one line, and exit 1 unless all is as it should be' },
    ...consulArgs,
  },
  exits: '0; 1 with --check when something is not as it should be',
  deadline: 3_700_000,
  run: args =>
    withConsul(args, async consul => {
      const all = await until(consul, args.service ? [args.service] : await knownServices(consul), args.wait)
      if (args.json) print(JSON.stringify(args.service ? all[0] : all))
      else if (args.check) for (const { summary, problem } of all) print(problem ? `${summary}; ${problem}` : summary)
      else print(all.map(page).join('\n\n') || 'watchbill keeps no service here yet')
      return args.check && all.some(({ ok }) => !ok) ? exit.no : exit.done
    }),
})

/** The first look, or with --wait the first at which all is well. */
async function until(consul: Consul, services: readonly string[], wait: string | undefined): Promise<Status[]> {
  const limit = wait === undefined ? 0 : duration(wait)
  if (limit === null || limit > 3_600_000)
    throw new Permanent(`cannot read the arguments: --wait ${wait}: give up to 60m`)
  const end = performance.now() + limit
  if (wait === undefined) for (const service of services) await mustKnow(consul, service)
  for (;;) {
    const all = await Promise.all(services.map(service => readStatus(consul, service)))
    if (wait === undefined || all.every(({ ok }) => ok)) return all
    const bad = all.find(({ ok }) => !ok)
    if (performance.now() > end)
      throw new Temporary(`cannot wait longer than ${wait}: ${bad?.summary}; see watchbill status`)
    await delay(200)
  }
}

function page({ summary, problem, instances, partitions }: Status): string {
  const who = instances.map(({ instance, state, held, assigned, weight }) => [
    ...[instance, state, String(held), String(assigned), String(weight)],
  ])
  const what = partitions.map(({ partition, instance, state, why, since }) => [
    ...[partition, instance ?? '-', state, [since ? `since ${since}` : '', why].filter(Boolean).join('; ')],
  ])
  return [
    summary,
    ...(problem ? [`problem: ${problem}`] : []),
    table(['INSTANCE', 'STATE', 'HOLDS', 'SHOULD', 'WEIGHT'], who),
    table(['PARTITION', 'INSTANCE', 'STATE', 'WHY'], what),
  ].join('\n')
}
