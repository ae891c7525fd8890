/** A machine on which all is well; a case says what is otherwise. */
import type { AgentFacts, Facts, Installed, StateFacts, TokenFacts } from '../../lib/setup/doctor/facts.ts'

export const agent: AgentFacts = {
  node: 'n1',
  version: '1.8.7',
  leaveOnTerminate: false,
  skipLeaveOnInterrupt: true,
  localScripts: true,
  remoteScripts: false,
  gossip: { probeMs: 1000, suspicion: 4 },
  acl: { enabled: true, policy: 'deny' },
  encrypted: true,
  httpTimeouts: [{ name: 'HTTPWriteTimeout', ms: 0 }],
  enforcesLimits: false,
  mostConnections: 200,
  services: ['svc'],
}

export const state: StateFacts = {
  directory: '/var/lib/watchbill',
  uid: 100,
  mode: 0o700,
  freeBytes: 10 ** 10,
  fileSystem: 'disk',
}

export const token: TokenFacts = { file: '/etc/token', uid: 100, mode: 0o600, missing: [], problem: null }

export const installed: Installed = {
  file: '/etc/consul.d/watchbill-svc.json',
  problem: null,
  service: 'svc',
  id: 'svc',
  instance: 'n1:svc',
  watches: 4,
  initialStatus: 'passing',
  guardIntervalMs: 2000,
  leaseMs: 10_000,
  definitionProblem: null,
  current: true,
  missingPrograms: [],
  absent: [],
  state,
  groups: { directory: '/sys/fs/cgroup/watchbill.n1%3Asvc', why: "below the agent's own" },
  standIn: [],
  setUid: null,
  scheduler: null,
  token,
}

export const well: Facts = {
  agent,
  unit: { name: 'consul.service', killMode: 'process' },
  agentUid: 100,
  connections: 5,
  installed: [installed],
  consulDir: '/etc/consul.d',
  services: [
    {
      service: 'svc',
      members: [{ instance: 'n1:svc', digest: 'a' }],
      rosters: new Map([['n1:svc', 1]]),
      refused: [],
    },
  ],
  setpriv: true,
}
