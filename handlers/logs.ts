/**
 * Runs when:      an operator wants to read what the process of a partition printed, on the machine that runs it
 * Reads:          the state directory; Consul only when the partition does not run here, to say where it runs
 * May change:     nothing
 * Never changes:  anything
 * Exits:          0; 100 the partition has no output on this machine: the line says where it runs
 */

import { setTimeout as delay } from 'node:timers/promises'
import { Permanent } from '../lib/base/errors.ts'
import { shellWord } from '../lib/base/printable.ts'
import type { Consul } from '../lib/consul/http.ts'
import { outputHere } from '../lib/operate/output/here.ts'
import { printed, printedSince } from '../lib/operate/output/printed.ts'
import { readStatus } from '../lib/operate/status/status.ts'
import { printBytes, program, remark } from '../lib/program/frame.ts'
import { consulArgs, mustBePartitions, mustKnow, serviceArg, withConsul } from '../lib/program/operator.ts'
import { stateRoot } from '../lib/state/paths.ts'

const days = 24 * 3_600_000
/** How often --follow looks, ms. */
const every = 100

program({
  name: 'logs',
  about: 'Shows what the process of a partition printed, on the machine that runs it.',
  args: {
    ...serviceArg,
    partition: { type: 'positional', description: 'the partition', required: true },
    follow: { type: 'boolean', alias: 'f', description: 'go on as it prints more' },
    lines: { type: 'string', alias: 'n', description: 'only this many of the last lines' },
    state: { type: 'string', description: 'the state directory (default $WATCHBILL_STATE or /var/lib/watchbill)' },
    ...consulArgs,
  },
  deadline: 24 * days,
  async run({ service, partition, lines, follow, state, ...consul }) {
    if (lines !== undefined && !/^\d{1,9}$/.test(lines))
      throw new Permanent(`cannot read the arguments: --lines ${lines} is no number`)
    const here = outputHere(state || stateRoot(), service, partition)
    if (here === null) return elsewhere(consul, service, partition)
    if (!here.held) remark(`${partition} does not run here now: ${await whereNow(consul, service, partition)}`)
    let { bytes, place } = printed(here.output, lines === undefined ? null : Number(lines))
    while (printBytes(bytes) && follow) {
      await delay(every)
      ;({ bytes, place } = printedSince(here.output, place))
    }
  },
})

type ConsulArgs = { readonly 'http-addr'?: string | undefined }

/** @throws Permanent that says where the partition runs, or why nowhere */
async function elsewhere(args: ConsulArgs, service: string, partition: string): Promise<never> {
  const where = await withConsul(args, consul => whereIs(consul, service, partition))
  throw new Permanent(`cannot show the log of ${partition}: it has left no output on this machine; ${where}`)
}

/** Where the partition runs now. Without Consul it names the command that tells: the output here is shown anyway. */
function whereNow(args: ConsulArgs, service: string, partition: string): Promise<string> {
  const asked = withConsul(args, consul => whereIs(consul, service, partition))
  return asked.then(
    where => `${where}; what follows is from before`,
    () => `see watchbill owner ${shellWord(service)} ${shellWord(partition)}`,
  )
}

/** @throws Permanent when there is no such partition */
async function whereIs(consul: Consul, service: string, partition: string): Promise<string> {
  await mustKnow(consul, service)
  const { partitions } = await readStatus(consul, service)
  const known = new Map(partitions.map(one => [one.partition, one]))
  mustBePartitions('show the log of', service, new Set(known.keys()), [partition])
  const one = known.get(partition)
  return one?.instance ? `it runs on ${one.instance}; run it there` : `nobody runs it: ${one?.state}, ${one?.why}`
}
