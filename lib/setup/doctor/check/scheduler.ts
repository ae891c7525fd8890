import type { Facts, Installed } from '../facts.ts'
import { type Finding, ok, unsafe, warn } from '../finding.ts'

/** Whether a scheduler can read what the agent can: the token, and the state directory. */
export function schedulers({ installed, agentUid }: Facts): Finding[] {
  return installed.flatMap(one => (one.scheduler ? judge(one, one.scheduler, agentUid) : []))
}

function judge({ service }: Installed, { user, uid }: NonNullable<Installed['scheduler']>, agentUid: number | null) {
  const reach = "can read the agent's token and change the state directory"
  if (user === null)
    return unsafe(
      `the scheduler of ${service} runs as the user of the agent: it ${reach}`,
      'give "assign" a "user", and run the agent as root',
    )
  if (uid === null) return warn(`the scheduler of ${service} cannot run: there is no user ${user}`, 'make that user')
  if (uid === 0 || uid === agentUid)
    return unsafe(`the scheduler of ${service} runs as ${user}, who ${reach}`, 'give "assign" another "user"')
  if (agentUid === 0) return ok(`the scheduler of ${service} runs as ${user}`)
  return warn(
    `the scheduler of ${service} cannot become ${user}: the agent does not run as root`,
    'run the agent as root, or remove "user", which lets the scheduler read what the agent can',
  )
}
