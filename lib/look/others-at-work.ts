/** Whether others still run what stands in no set. */
import { sessionName, sessionsOn } from '../consul/session.ts'
import type { Run } from '../state/self.ts'
import type { Snapshot } from './snapshot.ts'

/**
 * There is no set, and yet an instance has a session without a member key, or came back with what it ran, or its node is
 * lost: someone may have wiped everything below watchbill/, and what ran then still runs. Its locks must not be made
 * anew as clean ones.
 */
export async function othersAtWork(run: Run, snapshot: Snapshot): Promise<boolean> {
  const others = snapshot.members.filter(({ instance }) => instance !== snapshot.instance)
  if (others.some(({ holds }) => holds)) return true
  const known = new Set(snapshot.members.map(({ session }) => session))
  for (const { instance, node, nodeAlive } of snapshot.registered) {
    if (instance === snapshot.instance) continue
    if (!nodeAlive) return true
    const sessions = await sessionsOn(run.consul, node)
    if (sessions.some(({ Name, ID }) => Name === sessionName(instance) && !known.has(ID))) return true
  }
  return false
}
