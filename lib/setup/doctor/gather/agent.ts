/** Reads the agent's settings from the agent. */
import { duration } from '../../../base/clock.ts'
import { reason } from '../../../base/errors.ts'
import type { Consul } from '../../../consul/http.ts'
import { type AgentSelf, agentFrom, told } from '../../configure/agent.ts'
import type { AgentFacts, Unknown } from '../facts.ts'

export async function agentFacts(consul: Consul): Promise<AgentFacts | Unknown> {
  try {
    const self = await consul.json<AgentSelf>('GET', '/v1/agent/self')
    return agentFactsFrom(self, Object.keys(await consul.json<object>('GET', '/v1/agent/services')))
  } catch (error) {
    return { unknown: reason(error), away: error instanceof Error && error.name === 'Temporary' }
  }
}

/** Pure. */
export function agentFactsFrom(self: AgentSelf, services: readonly string[]): AgentFacts {
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
    mostConnections: connectionLimit(self),
    encrypted: encrypted === undefined ? null : encrypted === 'true',
    httpTimeouts: httpTimeouts(self),
    // 2 is how 1.15 counts the modes (read from its source).
    enforcesLimits: /^(enforcing|2)$/.test(String(self.DebugConfig?.RequestLimitsMode)),
    services,
  }
}

/** As newer versions tell them, such as `HTTPWriteTimeout` (read from their sources). */
function httpTimeouts({ DebugConfig = {} }: AgentSelf): AgentFacts['httpTimeouts'] {
  const told = Object.entries(DebugConfig).filter(([name]) => /^HTTP\w*(Read|Write)Timeout$/.test(name))
  return told.map(([name, value]) => ({ name, ms: goDuration(String(value)) }))
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** As Go writes one, such as `5m30s`; 0 for what is none. */
function goDuration(text: string): number {
  const parts = text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)
  return [...parts].reduce((sum, [, count, unit]) => sum + Number(count) * (units[String(unit)] ?? 0), 0)
}

function connectionLimit({ DebugConfig = {} }: AgentSelf): number | null {
  const limit = DebugConfig.HTTPMaxConnsPerClient
  return typeof limit === 'number' ? limit : null
}

function gossipOf({ DebugConfig = {} }: AgentSelf): AgentFacts['gossip'] {
  const probeMs = duration(String(DebugConfig.GossipLANProbeInterval))
  const suspicion = DebugConfig.GossipLANSuspicionMult
  return probeMs === null || typeof suspicion !== 'number' ? null : { probeMs, suspicion }
}

/** Since 1.11 the policy stands in a part of its own. */
function aclOf(self: AgentSelf): AgentFacts['acl'] {
  const enabled = told(self, 'ACLsEnabled')
  const resolver = self.DebugConfig?.ACLResolverSettings as { ACLDefaultPolicy?: unknown } | undefined
  const policy = self.DebugConfig?.ACLDefaultPolicy ?? resolver?.ACLDefaultPolicy
  return enabled === null ? null : { enabled, policy: String(policy ?? '') }
}
