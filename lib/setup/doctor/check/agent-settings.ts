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

/** SIGINT is what Debian's unit stops the agent by. */
export function skipLeaveOnInterrupt({ agent }: Facts): Finding {
  const setting = 'skip_leave_on_interrupt'
  const skips = 'unknown' in agent ? null : agent.skipLeaveOnInterrupt
  if (skips === null) return warn(`${setting} is not known`, 'set it to true')
  if (skips) return ok(`${setting} is true: an agent that is stopped by SIGINT keeps its locks`)
  return unsafe(
    `${setting} is false: an agent that is stopped by SIGINT, as by Debian's unit, gives up every lock`,
    'set it to true, restart the agent',
  )
}
