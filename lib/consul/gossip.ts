/** What the local agent sees of the others by gossip alone: it tells that also while it reaches no server. */
import { parse } from '../base/json.ts'
import type { Consul } from './http.ts'

/** Serf's word for a member that answers. */
const alive = 1

/** How many members of its data center the agent sees alive, itself among them; 0 when it does not tell. */
export async function aliveMembers(consul: Consul): Promise<number> {
  try {
    const { text } = await consul.request('GET', '/v1/agent/members')
    const members = parse<unknown>('/v1/agent/members', text)
    return Array.isArray(members) ? members.filter(one => one?.Status === alive).length : 0
  } catch {
    return 0
  }
}
