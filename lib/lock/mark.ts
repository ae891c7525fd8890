/** The mark that identifies a command's descendants, and the command's environment. */
import { readFileSync } from 'node:fs'
import { callersEnvironment } from '../machine/caller.ts'
import { innerMark, locksLimit, lockMarksVariable as marks, randomMark } from '../machine/marks.ts'

export interface Mark {
  /** Written into a list in an environment variable (the innermost lock's last), and set as the limit on file locks. */
  readonly number: string
  /**
   * Which of the two limits is set to it, as ulimit names them. Inside a partition, or under another lock, the hard limit is
   * in use already; when both are, only the environment has the mark.
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

/** Our own environment, without Consul's token: the command must not get this program's permissions. */
export function environmentFor(name: string, { number: id }: Mark): NodeJS.ProcessEnv {
  const { CONSUL_HTTP_TOKEN: _token, [marks]: outer, ...rest } = callersEnvironment()
  return { ...rest, [marks]: outer ? `${outer} ${id}` : id, WATCHBILL_LOCK: name }
}
