import type { Facts } from '../facts.ts'
import { type Finding, ok, unsafe, warn } from '../finding.ts'

/** A graceful leave at a restart destroys the session, and the locks with it; a client's default is to leave. */
export function leaveOnTerminate({ agent }: Facts): Finding {
  const setting = 'leave_on_terminate'
  if ('unknown' in agent || agent.leaveOnTerminate === null) return warn(`${setting} is not known`, 'set it to false')
  if (!agent.leaveOnTerminate) return ok(`${setting} is false: a restart of the agent keeps its locks`)
  return unsafe(
    `${setting} is true: each restart of the agent gives up every lock`,
    'set it to false, restart the agent',
  )
}
