/**
 * Runs when:      an operator wants to read what processes printed, or what the handlers did, on the machine that runs them
 * Reads:          the state directory; Consul only when the partition does not run here, to say where it runs
 * May change:     nothing
 * Never changes:  anything
 * Exits:          0; 100 the partition has no output on this machine: the line says where it runs
 */

import { setTimeout as delay } from 'node:timers/promises'
import { duration } from '../lib/base/clock.ts'
import { Permanent } from '../lib/base/errors.ts'
import { shellWords } from '../lib/base/printable.ts'
import type { Consul } from '../lib/consul/http.ts'
import { outputHere } from '../lib/operate/output/here.ts'
import { printed, printedSince } from '../lib/operate/output/printed.ts'
import { readStatus } from '../lib/operate/status/status.ts'
import { printBytes, program, remark } from '../lib/program/frame.ts'
import { consulArgs, jsonArg, mustBePartitions, mustKnow, withConsul } from '../lib/program/operator.ts'
import { stateRoot } from '../lib/state/paths.ts'

const days = 24 * 3_600_000
/** How often --follow looks, ms. */
const every = 100

program({
  name: 'logs',
  about: 'Shows what processes printed on the machine that runs them, or what the handlers did there.',
  args: {
    service: { type: 'positional', description: 'the Consul service name (default: all)', required: false },
    partition: { type: 'positional', description: 'the partition (default: all of this machine)', required: false },
    instance: { type: 'boolean', description: 'what the handlers of this machine did, with times' },
    follow: { type: 'boolean', alias: 'f', description: 'go on as more is printed' },
    lines: { type: 'string', alias: 'n', description: 'only this many of the last lines (of several partitions: 10)' },
    since: { type: 'string', description: 'with --instance: only the last so much time, such as 10m' },
    ...jsonArg,
    state: { type: 'string', description: 'the state directory (default $WATCHBILL_STATE or /var/lib/watchbill)' },
    ...consulArgs,
  },
  deadline: 24 * days,
  async run({ service, partition, lines, follow = false, instance = false, since, json = false, state, ...consul }) {
    const wrong = (what: string) => new Permanent(`cannot read the arguments: ${what}`)
    if (lines !== undefined && !/^\d{1,9}$/.test(lines)) throw wrong(`--lines ${lines} is no number`)
    const span = since === undefined ? null : duration(since)
    if (since !== undefined && span === null) throw wrong(`--since ${since} is no duration; give 10m`)
    if (since !== undefined && !instance) throw wrong('--since goes with --instance: what processes print has no times')
    if (instance && partition !== undefined) throw wrong('--instance shows no partition; leave one of them out')
    const count = lines === undefined ? null : Number(lines)
    const root = state || stateRoot()
    if (service === undefined || partition === undefined) {
      const { showMany } = await import('../lib/operate/output/show-many.ts')
      return showMany({ root, service: service ?? null, instance, follow, count, since: span, json })
    }
    const here = outputHere(root, service, partition)
    if (here === null) return elsewhere(consul, service, partition)
    if (!here.held) remark(`${partition} does not run here now: ${await whereNow(consul, service, partition)}`)
    if (json) {
      const { showMany } = await import('../lib/operate/output/show-many.ts')
      const only = { service, instance: here.instance, partition, label: partition, file: here.output }
      return showMany({ root, service, instance: false, follow, count, since: null, json, only })
    }
    let { bytes, place } = printed(here.output, count)
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
    () => `see watchbill owner ${shellWords(service, partition)}`,
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
