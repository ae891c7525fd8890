import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { examine, lineOf } from '../../lib/setup/doctor/checks.ts'
import type {
  AgentFacts,
  Facts,
  Installed,
  PowerFacts,
  StateFacts,
  TokenFacts,
  UnitFacts,
} from '../../lib/setup/doctor/facts.ts'
import { agent, installed, state, token, well } from './facts.ts'

type Level = 'warn' | 'unsafe'
type Case = [string, Partial<Facts>, Level, RegExp]

const agentIs = (over: Partial<AgentFacts>): Partial<Facts> => ({ agent: { ...agent, ...over } })
const fileIs = (over: Partial<Installed>): Partial<Facts> => ({ installed: [{ ...installed, ...over }] })
const stateIs = (over: Partial<StateFacts>) => fileIs({ state: { ...state, ...over } })
const tokenIs = (over: Partial<TokenFacts>) => fileIs({ token: { ...token, ...over } })
const unitIs = (over: Partial<UnitFacts>): Partial<Facts> => ({
  unit: { name: 'consul.service', killMode: 'process', ...over },
})
const powerIs = (over: Partial<PowerFacts>): Partial<Facts> => ({
  power: { file: '/p.json', problem: null, absent: [], afterMs: 5000, ...over },
})
const refusedAre = (...refused: string[]): Partial<Facts> => ({
  services: [{ service: 'svc', members: [], rosters: new Map(), refused }],
})
const membersAre = (...members: [string, string, number][]): Partial<Facts> => ({
  services: [
    {
      service: 'svc',
      members: members.map(([instance, digest]) => ({ instance, digest })),
      rosters: new Map(members.map(([instance, , roster]) => [instance, roster])),
      refused: [],
    },
  ],
})

it('a machine on which all is well has nothing but good to hear', () => {
  const findings = examine(well)
  assert.deepEqual(
    findings.filter(({ level }) => level !== 'ok'),
    [],
  )
  assert.equal(findings.length, 18)
  for (const { todo } of findings) assert.equal(todo, '')
})

it('limits that are kept and allowed are said to be so', () => {
  const findings = examine({ ...well, ...fileIs({ unkept: [], refused: null }) }).slice(-2)
  assert.deepEqual(findings.map(lineOf), [
    'ok:     the limits of svc can be kept',
    'ok:     the limits of this machine allow svc',
  ])
})

it('a unit may kill all that is in it, when nothing of ours is', () => {
  const findings = examine({ ...well, ...unitIs({ killMode: 'control-group' }) })
  assert.deepEqual(
    findings.filter(({ level }) => level !== 'ok'),
    [],
  )
})

describe('what is wrong', () => {
  const inUnit = { directory: '/sys/fs/cgroup/system.slice/consul.service/watchbill.n1:svc', why: 'Delegate=yes' }
  const cases: Case[] = [
    [
      'a power-off.json that is bad',
      powerIs({
        problem: 'cannot power machines off by /p.json: confirm: is missing; nobody is powered off until it is mended',
      }),
      'unsafe',
      /by \/p.json: confirm: is missing/,
    ],
    [
      'a program of it that is not there',
      powerIs({ absent: ['/off'] }),
      'unsafe',
      /\/p.json names \/off, which cannot be run/,
    ],
    [
      'a time in which nothing is gained',
      powerIs({ afterMs: 10_000 }),
      'warn',
      /after in \/p.json is 10 s.*lease of svc/,
    ],
    [
      'a limit that cannot be kept',
      fileIs({ unkept: ['run.memory: no controller', 'run.user: nobody'], bestEffort: false }),
      'unsafe',
      /cannot be had for svc: run\.memory: no controller; run\.user: nobody; nothing of it is started; see docs\/limits\.md/,
    ],
    [
      'a limit that need not be kept',
      fileIs({ unkept: ['run.cpu: no controller'], bestEffort: true }),
      'warn',
      /cannot be had for svc: run\.cpu: no controller; it is started without/,
    ],
    [
      'a definition that the machine does not allow',
      fileIs({ refused: 'run.user: "root" is not in users' }),
      'unsafe',
      /the limits of this machine do not allow svc: run\.user: "root" is not in users/,
    ],
    ['an old Consul', agentIs({ version: '1.6.10' }), 'unsafe', /Consul is 1\.6\.10; use 1\.7/],
    ['a Consul of no version', agentIs({ version: '' }), 'unsafe', /no known version/],
    [
      'a Consul that cuts watches',
      agentIs({ version: 'v1.22.4' }),
      'warn',
      /1\.22\.4 has a fault: .*30 s.*use 1\.22\.5/,
    ],
    ['a Consul that refuses URLs', agentIs({ version: '1.21.5+ent' }), 'warn', /1\.21\.5.*wake-up/],
    ['a Consul that gives up queries', agentIs({ version: '1.12.1' }), 'warn', /1\.12\.1.*use 1\.12\.2/],
    ['a Consul whose queries fail', agentIs({ version: '1.14.0' }), 'warn', /1\.14\.0.*use 1\.14\.2/],
    ['the one after it', agentIs({ version: '1.14.1' }), 'warn', /1\.14\.1.*use 1\.14\.2/],
    [
      'a time-out that cuts watches',
      agentIs({ httpTimeouts: [{ name: 'HTTPWriteTimeout', ms: 30_000 }] }),
      'warn',
      /HTTPWriteTimeout of http_config is 30 s: it cuts watches.*at least 330s/,
    ],
    ['request limits', agentIs({ enforcesLimits: true }), 'warn', /request_limits are enforced.*permissive/],
    [
      'script checks without access control on a newer Consul',
      agentIs({ version: '1.22.5', acl: { enabled: false, policy: '' } }),
      'warn',
      /access is not controlled: .*; Consul warns of script checks without it/,
    ],
    [
      'partitions that a newer agent takes no keys of',
      refusedAre('tenant one', '..'),
      'warn',
      /no keys of 2 partitions of svc, "tenant one" the first: they stop.*before any Consul agent.*rename 'tenant one' tenant-one/,
    ],
    [
      'partitions that this agent takes no keys of',
      { ...refusedAre('tenant one'), ...agentIs({ version: '2.1.0' }) },
      'unsafe',
      /the agent takes no keys of 1 partitions of svc.*rename it: watchbill partitions svc rename/,
    ],
    [
      'a node that a newer agent takes no keys of',
      fileIs({ instance: 'n 1:svc' }),
      'warn',
      /instance n 1:svc.*a space/,
    ],
    ['leaving at a restart', agentIs({ leaveOnTerminate: true }), 'unsafe', /leave_on_terminate is true/],
    ['not told whether it leaves', agentIs({ leaveOnTerminate: null }), 'warn', /leave_on_terminate is not known/],
    ['leaving at SIGINT', agentIs({ skipLeaveOnInterrupt: false }), 'unsafe', /stopped by SIGINT.*set it to true/],
    ['not told of SIGINT', agentIs({ skipLeaveOnInterrupt: null }), 'warn', /skip_leave_on_interrupt is not known/],
    ['no script checks', agentIs({ localScripts: false }), 'unsafe', /script checks are off/],
    ['script checks over HTTP', agentIs({ remoteScripts: true }), 'unsafe', /can run anything here/],
    [
      'not told of script checks',
      agentIs({ localScripts: null, remoteScripts: null }),
      'warn',
      /script checks are enabled is not known/,
    ],
    [
      'a unit that kills all',
      { ...unitIs({ killMode: 'control-group' }), ...fileIs({ groups: inUnit }) },
      'unsafe',
      /KillMode=control-group.*set KillMode=process/,
    ],
    [
      'a unit that kills what an older release started',
      { ...unitIs({ killMode: 'control-group' }), ...fileIs({ standIn: ['consul.service'] }) },
      'unsafe',
      /svc.* stand in it.*set KillMode=process.*until watchbill restart/,
    ],
    [
      'a unit that kills all, before anything was started',
      { ...unitIs({ killMode: 'control-group' }), ...fileIs({ groups: null }), agentUid: 0 },
      'warn',
      /not known before the first of them was started/,
    ],
    ['a unit that says nothing', unitIs({ killMode: null }), 'warn', /KillMode of consul\.service is not known/],
    ['an agent that cannot be seen', { unit: { unknown: 'why' } }, 'warn', /unit is not known: why/],
    ['nothing installed', { installed: [] }, 'warn', /holds no watchbill-\*\.json; run configure/],
    ['a file that is garbled', fileIs({ problem: 'half of it' }), 'unsafe', /cannot be used: half of it/],
    ['a release that is gone', fileIs({ missingPrograms: ['/x/guard.cjs'] }), 'unsafe', /not there: \/x\/guard\.cjs/],
    [
      'a command whose program is not there',
      fileIs({ absent: [{ field: 'hooks.failed', program: '/x/page' }] }),
      'warn',
      /hooks\.failed of svc names \/x\/page, which is no program here; install it/,
    ],
    ['a wrong definition', fileIs({ definitionProblem: 'a typo', leaseMs: null }), 'warn', /a typo; mend it/],
    ['an old file', fileIs({ current: false }), 'warn', /not what configure would write now/],
    ['a file that was not loaded', agentIs({ services: [] }), 'warn', /does not have svc; run consul reload/],
    ['a guard that starts critical', fileIs({ initialStatus: 'critical' }), 'unsafe', /starts as critical/],
    ['no guard', fileIs({ initialStatus: null }), 'unsafe', /has no first status/],
    ['a lease that is too short for the guard', fileIs({ leaseMs: 5000 }), 'unsafe', /at least 5\.5 s/],
    ['a lease that is too short for the gossip', fileIs({ leaseMs: 7000 }), 'warn', /7 s, is shorter than .* 9 s/],
    ['gossip that is not told', agentIs({ gossip: null }), 'warn', /fits the gossip is not known/],
    ['no state directory', stateIs({ uid: null }), 'warn', /not there yet/],
    ["another's state directory", stateIs({ uid: 5 }), 'unsafe', /belongs to user 5, and the agent runs as 100; chown/],
    ['a state directory that others write to', stateIs({ mode: 0o770 }), 'unsafe', /mode 770.*chmod 700/],
    ['a state directory that others read', stateIs({ mode: 0o755 }), 'warn', /mode 755/],
    ['a full disk', stateIs({ freeBytes: 10 ** 6 }), 'unsafe', /is full \(0 MiB free\)/],
    ['a disk that fills', stateIs({ freeBytes: 10 ** 8 }), 'warn', /has 95 MiB free/],
    ['a network file system', stateIs({ fileSystem: 'network' }), 'unsafe', /network file system/],
    [
      'two definitions',
      membersAre(['a:svc', 'x', 1], ['b:svc', 'y', 1], ['c:svc', 'x', 1]),
      'warn',
      /2 definitions: a:svc, c:svc \/ b:svc/,
    ],
    [
      'two rosters',
      membersAre(['a:svc', 'x', 1], ['b:svc', 'x', 2]),
      'warn',
      /2 roster versions.*: 1 \(a:svc\), 2 \(b:svc\)/,
    ],
    [
      'members that are not known',
      { services: [{ service: 'svc', unknown: 'why' }] },
      'warn',
      /members of svc are not known: why/,
    ],
    ['no access control', agentIs({ acl: { enabled: false, policy: '' } }), 'warn', /access is not controlled/],
    [
      'allowing by default',
      agentIs({ acl: { enabled: true, policy: 'allow' } }),
      'warn',
      /set acl\.default_policy to deny/,
    ],
    ['access that is not told', agentIs({ acl: null }), 'warn', /whether access is controlled is not known/],
    ['no token file', tokenIs({ uid: null }), 'unsafe', /is not there/],
    ['a token file that others read', tokenIs({ mode: 0o640 }), 'unsafe', /read by others \(mode 640\); chmod 600/],
    ["another's token file", tokenIs({ uid: 5 }), 'unsafe', /belongs to user 5/],
    [
      'a token that lacks something',
      tokenIs({ missing: ['node:read on n1', 'x'] }),
      'unsafe',
      /lacks node:read on n1, x;/,
    ],
    ['a token that is not known', tokenIs({ missing: null, problem: 'why' }), 'warn', /may do is not known: why/],
    ['open gossip', agentIs({ encrypted: false }), 'warn', /gossip is not encrypted/],
    ['gossip that is not told of', agentIs({ encrypted: null }), 'warn', /encrypted is not known/],
    ['no setpriv', { setpriv: false }, 'warn', /no setpriv/],
    [
      'no control groups',
      { installed: [{ ...installed, groups: { directory: null, why: 'WATCHBILL_CGROUP is off' } }] },
      'warn',
      /no control groups: WATCHBILL_CGROUP is off; .*run the agent as root/,
    ],
    [
      'a set-uid program without a control group',
      { installed: [{ ...installed, setUid: '/usr/bin/su', groups: { directory: null, why: 'no' } }] },
      'warn',
      /\/usr\/bin\/su of svc runs as another user, whom the agent may not end/,
    ],
    [
      'a scheduler without a user',
      fileIs({ scheduler: { user: null, uid: null } }),
      'unsafe',
      /the scheduler of svc runs as the user of the agent: it can read the agent's token/,
    ],
    [
      "a scheduler as the agent's user",
      fileIs({ scheduler: { user: 'consul', uid: 100 } }),
      'unsafe',
      /the scheduler of svc runs as consul, who can read the agent's token/,
    ],
    ['a scheduler as root', fileIs({ scheduler: { user: 'root', uid: 0 } }), 'unsafe', /runs as root, who can read/],
    [
      'a scheduler whose user does not exist',
      fileIs({ scheduler: { user: 'sched', uid: null } }),
      'warn',
      /cannot run: there is no user sched; make that user/,
    ],
    [
      'a scheduler with a user, of an agent that is not root',
      fileIs({ scheduler: { user: 'sched', uid: 999 } }),
      'warn',
      /cannot become sched: the agent does not run as root/,
    ],
  ]
  for (const [what, over, level, line] of cases) {
    it(`${what} is ${level}, and the only thing`, () => {
      const bad = examine({ ...well, ...over }).filter(finding => finding.level !== 'ok')
      assert.equal(bad.length, 1, bad.map(lineOf).join('\n'))
      assert.deepEqual(bad[0]?.level, level)
      assert.match(lineOf(bad[0]), line)
      assert.ok(bad[0].todo)
    })
  }

  it('an agent that does not answer makes nothing safe', () => {
    const levels = examine({ ...well, agent: { unknown: 'it is away' } }).map(({ level }) => level)
    assert.equal(levels.filter(level => level === 'warn').length, 8)
  })
})

describe('what is right', () => {
  const cases: [string, Partial<Facts>][] = [
    ['a later Consul', agentIs({ version: '1.20.1+ent' })],
    ['the oldest one', agentIs({ version: '1.7.0' })],
    ['a major version', agentIs({ version: '2.0.0' })],
    [
      'tuned gossip and its lease',
      { ...agentIs({ gossip: { probeMs: 500, suspicion: 3 } }), ...fileIs({ leaseMs: 7000 }) },
    ],
    ['no unit', unitIs({ name: null, killMode: null })],
    ['an agent of root', { agentUid: 0 }],
    ['an agent whose user is not seen', { agentUid: null }],
    ['a token from elsewhere', tokenIs({ file: null, uid: null, mode: 0 })],
    ['a state directory in memory', stateIs({ fileSystem: 'memory' })],
  ]
  for (const [what, over] of cases) {
    it(what, () =>
      assert.deepEqual(
        examine({ ...well, ...over }).filter(({ level }) => level !== 'ok'),
        [],
      ),
    )
  }

  it('is said in one line, and nothing is to be done', () => {
    assert.equal(lineOf({ level: 'ok', sentence: 'all is well', todo: '' }), 'ok:     all is well')
    assert.equal(lineOf({ level: 'unsafe', sentence: 'it burns', todo: 'run' }), 'unsafe: it burns; run')
  })
})
