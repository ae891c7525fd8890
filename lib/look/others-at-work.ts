/** Whether other instances may still run partitions although the set was deleted. */
import { sessionName, sessionsOn } from '../consul/session.ts'
import type { Run } from '../state/self.ts'
import type { Snapshot } from './snapshot.ts'

/**
 * True when there is no set, and yet another instance has a session without a member key, or came back with running
 * partitions, or its node is lost. Then somebody may have deleted everything below watchbill/ while processes went on: their
 * locks must not be made again as clean.
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
