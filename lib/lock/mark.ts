/** The mark that identifies a command's descendants, and what else the command finds in its environment. */
import { readFileSync } from 'node:fs'
import { callersEnvironment } from '../machine/caller.ts'
import { innerMark, locksLimit, lockMarksVariable as marks, randomMark } from '../machine/marks.ts'

export interface Mark {
  /** It stands in the list of an environment variable, the innermost last, and as the limit on file locks. */
  readonly number: string
  /**
   * Which of the two limits bears it, in the words of ulimit. Inside a partition, or under another lock, the hard one is
   * taken; with both taken there is only the environment.
   */
  readonly limit: 'both' | 'soft' | null
}

export function newMark(): Mark {
  const [soft, hard] = locksLimit('self')
  if (hard === 'unlimited') return { number: randomMark(), limit: 'both' }
  return { number: innerMark(), limit: soft === hard ? 'soft' : null }
}

export function randomId(): string {
  return readFileSync('/proc/sys/kernel/random/uuid', 'latin1').trim() // node:crypto would cost a third of a start
}

/** Ours, as with any wrapper, but for the token: what a worker may do in Consul is not what this program may. */
export function environmentFor(name: string, { number: id }: Mark): NodeJS.ProcessEnv {
  const { CONSUL_HTTP_TOKEN: _token, [marks]: outer, ...rest } = callersEnvironment()
  return { ...rest, [marks]: outer ? `${outer} ${id}` : id, WATCHBILL_LOCK: name }
}
