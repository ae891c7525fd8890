/** Shared by the programs `pass`, `warn` and `fail`, which set the status of a TTL check. */
import { setTimeout as delay } from 'node:timers/promises'
import { Permanent } from '../base/errors.ts'
import { partsOf } from '../base/names.ts'
import { checkId, passPath } from '../keys/service-ids.ts'
import { print } from '../program/frame.ts'
import { type ConsulArgs, callersPartition, consulArgs, withConsul } from '../program/operator.ts'

export const sayArgs = {
  check: { type: 'positional', description: 'the id of the check', required: true },
  note: { type: 'string', description: 'a note that Consul shows with the status' },
  partition: { type: 'string', description: 'the partition (default $WATCHBILL_PARTITION)' },
  instance: { type: 'string', description: 'the instance, <node>:<service id> (default $WATCHBILL_INSTANCE)' },
  ...consulArgs,
} as const

interface SayArgs extends ConsulArgs {
  readonly check: string
  readonly note?: string | undefined
  readonly partition?: string | undefined
  readonly instance?: string | undefined
}

/** A process may report right after its start: how long the agent may take to know the check, ms. */
const patience = 5000
const pause = 200

/** @throws Permanent when the agent has no such check */
export async function sayHow(verb: 'pass' | 'warn' | 'fail', args: SayArgs): Promise<void> {
  const { instance = callersPartition().instance, partition = callersPartition().partition } = args
  if (instance === '' || partition === '')
    throw new Permanent(
      `cannot ${verb} ${args.check}: it is not clear which partition's check; give --instance and --partition`,
    )
  const id = checkId(partsOf(instance).serviceId, partition, args.check)
  const note = args.note === undefined ? '' : `?note=${encodeURIComponent(args.note)}`
  const own = args.partition === undefined && args.instance === undefined
  await withConsul(args, async consul => {
    for (const end = performance.now() + (own ? patience : 0); ; await delay(pause)) {
      const { status } = await consul.request('PUT', `${passPath(id, verb)}${note}`, { ok: [200, 404, 500] })
      if (status === 200) return print(`${id}: ${verb}`)
      if (performance.now() >= end) break
    }
    throw new Permanent(
      `cannot ${verb} ${args.check} of ${partition}: the agent has no such check with a ttl; see the definition's checks`,
    )
  })
}
