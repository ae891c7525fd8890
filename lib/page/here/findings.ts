/** The checks of `doctor` that rest on what the agent itself says: a page runs no command, and reads no other files. */
import { accessControl } from '../../setup/doctor/check/access.ts'
import { leaveOnTerminate, skipLeaveOnInterrupt } from '../../setup/doctor/check/agent-settings.ts'
import { gossipEncryption } from '../../setup/doctor/check/encryption.ts'
import { limits } from '../../setup/doctor/check/limits.ts'
import { scriptChecks } from '../../setup/doctor/check/script-checks.ts'
import { consulVersion } from '../../setup/doctor/check/version.ts'
import type { AgentFacts, Facts } from '../../setup/doctor/facts.ts'
import type { Finding } from '../../setup/doctor/finding.ts'

const checks = [
  ...[consulVersion, limits, leaveOnTerminate, skipLeaveOnInterrupt],
  ...[scriptChecks, accessControl, gossipEncryption],
] as const

export function agentFindings(agent: AgentFacts): Finding[] {
  const unknown = { connections: null, agentUid: null, unit: { unknown: 'a page asks no systemd' } }
  const facts: Facts = { agent, ...unknown, installed: [], consulDir: '', services: [], setpriv: true }
  return checks.flatMap((check: (facts: Facts) => Finding | Finding[]) => check(facts))
}
