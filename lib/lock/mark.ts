/** By what whatever comes from a command is known, and what else the command finds in its environment. */
import { readFileSync } from 'node:fs'
import { callersEnvironment } from '../process/caller.ts'

/** Ids, the innermost last: a command under one lock may run another under a second. */
const marks = 'WATCHBILL_ACQUISITIONS'

export function randomId(): string {
  return readFileSync('/proc/sys/kernel/random/uuid', 'latin1').trim() // node:crypto would cost a third of a start
}

/** Ours, as with any wrapper, but for the token: what a worker may do in Consul is not what this program may. */
export function environmentFor(name: string, id: string): NodeJS.ProcessEnv {
  const { CONSUL_HTTP_TOKEN: _token, [marks]: outer, ...rest } = callersEnvironment()
  return { ...rest, [marks]: outer ? `${outer} ${id}` : id, WATCHBILL_LOCK: name }
}
