/** What the agent says of itself. */
import { duration } from '../../clock.ts'
import { agentFrom, type Self, told } from '../../configure/agent.ts'
import type { Consul } from '../../consul/http.ts'
import { reason } from '../../errors.ts'
import type { AgentFacts, Unknown } from '../facts.ts'

export async function agentFacts(consul: Consul): Promise<AgentFacts | Unknown> {
  try {
    const self = await consul.json<Self>('GET', '/v1/agent/self')
    return agentFactsFrom(self, Object.keys(await consul.json<object>('GET', '/v1/agent/services')))
  } catch (error) {
    return { unknown: reason(error) }
  }
}

/** Pure. */
export function agentFactsFrom(self: Self, services: readonly string[]): AgentFacts {
  const { node, version, settings } = agentFrom(self)
  const encrypted = self.Stats?.serf_lan?.encrypted
  return {
    node,
    version,
    leaveOnTerminate: settings.leave_on_terminate,
    skipLeaveOnInterrupt: settings.skip_leave_on_interrupt,
    localScripts: told(self, 'EnableLocalScriptChecks'),
    remoteScripts: told(self, 'EnableRemoteScriptChecks'),
    gossip: gossipOf(self),
    acl: aclOf(self),
    encrypted: encrypted === undefined ? null : encrypted === 'true',
    services,
  }
}

function gossipOf({ DebugConfig = {} }: Self): AgentFacts['gossip'] {
  const probeMs = duration(String(DebugConfig.GossipLANProbeInterval))
  const suspicion = DebugConfig.GossipLANSuspicionMult
  return probeMs === null || typeof suspicion !== 'number' ? null : { probeMs, suspicion }
}

/** Since 1.11 the policy stands in a part of its own. */
function aclOf(self: Self): AgentFacts['acl'] {
  const enabled = told(self, 'ACLsEnabled')
  const resolver = self.DebugConfig?.ACLResolverSettings as { ACLDefaultPolicy?: unknown } | undefined
  const policy = self.DebugConfig?.ACLDefaultPolicy ?? resolver?.ACLDefaultPolicy
  return enabled === null ? null : { enabled, policy: String(policy ?? '') }
}
