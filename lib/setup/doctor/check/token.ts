import type { Facts, Installed } from '../facts.ts'
import { type Finding, ok, unsafe, warn } from '../finding.ts'

/** The token of each instance: who can read its file, and whether it has the permissions that it needs. */
export interface Held extends Pick<Facts, 'agent' | 'agentUid'> {
  readonly installed: readonly Pick<Installed, 'id' | 'token' | 'problem'>[]
}

export function tokens({ agent, agentUid, installed }: Held): Finding[] {
  const controlled = !('unknown' in agent) && agent.acl?.enabled === true
  const usable = installed.filter(({ problem }) => problem === null)
  return usable.flatMap(one => [...file(one, agentUid), ...(controlled ? [permissions(one)] : [])])
}

function file({ id, token }: Pick<Installed, 'id' | 'token'>, agentUid: number | null): Finding[] {
  if (token.file === null) return []
  const { uid, mode } = token
  if (uid === null) return [unsafe(`the token file of ${id}, ${token.file}, is not there`, 'put it there')]
  if (mode & 0o077)
    return [
      unsafe(
        `the token file of ${id}, ${token.file}, can be read by others (mode ${mode.toString(8)})`,
        `chmod 600 ${token.file}`,
      ),
    ]
  if (agentUid !== null && agentUid !== 0 && uid !== agentUid)
    return [
      unsafe(
        `the token file of ${id}, ${token.file}, belongs to user ${uid}, and the agent runs as ${agentUid}`,
        `chown ${agentUid} ${token.file}`,
      ),
    ]
  return [ok(`the token file of ${id} is its owner's alone`)]
}

function permissions({ id, token }: Pick<Installed, 'id' | 'token'>): Finding {
  const todo = 'give it the policy of consul.d/acl-policy.hcl'
  if (token.missing === null)
    return warn(
      `what the token of ${id} may do is not known: ${token.problem}`,
      'run doctor as root, or as the user of the agent',
    )
  if (token.missing.length === 0) return ok(`the token of ${id} may do all that it must`)
  return unsafe(`the token of ${id} lacks ${token.missing.join(', ')}`, todo)
}
