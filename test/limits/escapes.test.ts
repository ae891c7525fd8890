/** Definitions that try to get out of the limits of their machine. Each is refused in one line that names the field. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Bounds, boundsIn } from '../../lib/definition/bounds.ts'
import type { Definition } from '../../lib/definition/definition.ts'
import { parseDefinition } from '../../lib/definition/load.ts'
import { outside, sumOutside } from '../../lib/definition/within.ts'

const bounds = boundsIn(
  JSON.stringify({
    users: ['consumer', 'nobody'],
    groups: ['consumer'],
    nice: 0,
    programs: ['/usr/local/lib/consumer', '/opt/tools/'],
    commands: {
      consumer: [
        ['/usr/local/lib/consumer/consume', '--partition=*', '...'],
        ['/usr/local/lib/consumer/consume', '--partition=*'],
        ['/usr/local/lib/consumer/page', '*'],
        ['/usr/local/lib/consumer/list.mjs'],
      ],
      '*': [['/opt/tools/alive']],
    },
    env: ['LOG_LEVEL', 'KAFKA_*'],
    files: ['/srv/consumer'],
    ports: [8080, '9000-9100'],
    memory: '1GB',
    cpu: 2,
    pids: 200,
  }),
  '/etc/watchbill/limits.json',
)

const program = '/usr/local/lib/consumer/consume'
const run = {
  command: [program, '--partition={partition}', '--verbose'],
  user: 'consumer',
  memory: '100MB',
  cpu: 0.5,
  pids: 50,
}
const rendered = { template: '/srv/consumer/x.liquid', dest: '/srv/consumer/x' }
/** All that it says is allowed. */
const good = {
  name: 'consumer',
  maxPartitions: 4,
  partitions: { range: [0, 3] },
  run: {
    ...run,
    group: 'consumer',
    nice: 5,
    cwd: '/usr/local/lib/consumer',
    env: { LOG_LEVEL: 'info', KAFKA_GROUP: '{partition}' },
  },
  stop: { command: [program, '--partition={partition}'], gone: ['/opt/tools/alive'] },
  checks: [
    {
      name: 'alive',
      command: ['/opt/tools/alive'],
      onFailure: ['/usr/local/lib/consumer/page', '{partition}'],
      onPass: 'restart',
    },
    { name: 'progress', ttl: '5m' },
  ],
  hooks: { failed: ['/usr/local/lib/consumer/page', '{partition}'] },
  register: { port: 9050 },
}

const loaded = (more: object): Promise<Definition> =>
  parseDefinition(JSON.stringify({ ...good, ...more }), 'consumer.json')
const found = async (more: object) => outside(await loaded(more), bounds)
const runs = (more: object) => ({ run: { ...run, ...more } })

const fits = 'fits none of the command lines for consumer in commands'
const nowhere = 'is in no directory of programs'

/** `by`: other bounds than the usual ones. */
const escapes: [what: string, more: object, line: string, by?: Bounds][] = [
  ['another user', runs({ user: 'root' }), 'run.user: "root" is not in users'],
  ["the agent's own user", runs({ user: undefined }), 'run.user: is missing; users has consumer, nobody'],
  ['another group', runs({ group: 'docker' }), 'run.group: "docker" is not in groups'],
  [
    'a user that need not be there',
    runs({ memory: undefined, limits: 'best-effort' }),
    'run.limits: "best-effort" may leave out run.user, and users are bounded',
  ],
  ['to go first', runs({ nice: -5 }), 'run.nice: -5 is below nice, 0'],
  ['a shell', runs({ command: ['/bin/sh', '-c', 'id'] }), `run.command[0]: "/bin/sh" ${nowhere}`],
  [
    'a shell that stands in while cut off',
    { whenIsolated: { run: ['/bin/sh', '-c', 'id'] } },
    `whenIsolated.run[0]: "/bin/sh" ${nowhere}`,
  ],
  [
    'another argument of a stand-in',
    { whenIsolated: { run: [program, '--config=/tmp/evil'], atLeast: 1 } },
    `whenIsolated.run: "${program} --config=/tmp/evil" ${fits}`,
  ],
  [
    'a program by way of ..',
    runs({ command: [`${program}/../../../../../bin/sh`] }),
    `run.command[0]: "${program}/../../../../../bin/sh" ${nowhere}`,
  ],
  [
    'a program beside the directory',
    runs({ command: ['/usr/local/lib/consumer-evil/x'] }),
    `run.command[0]: "/usr/local/lib/consumer-evil/x" ${nowhere}`,
  ],
  [
    'a program on PATH',
    runs({ command: ['consume'] }),
    'run.command[0]: "consume" is sought on PATH, and programs has only directories; give its path',
  ],
  [
    'a program that the partition names',
    runs({ command: ['/opt/tools/{partition}'] }),
    'run.command[0]: "/opt/tools/{partition}" holds a placeholder, so that a partition would choose the program',
  ],
  [
    'another argument',
    runs({ command: [program, '--config=/tmp/evil'] }),
    `run.command: "${program} --config=/tmp/evil" ${fits}`,
  ],
  [
    'a whole argument that the partition is',
    runs({ command: [program, '{partition}'] }),
    `run.command: "${program} {partition}" ${fits}`,
  ],
  [
    "another service's command line",
    { name: 'other', ...runs({}) },
    `run.command: "${program} --partition={partition} --ve…" fits none of the command lines for other in commands`,
  ],
  [
    'a relative program from another directory',
    runs({ command: ['./consume', '--partition={partition}'], cwd: '/tmp' }),
    `run.command[0]: "./consume" ${nowhere}`,
  ],
  ['another working directory', runs({ cwd: '/tmp' }), `run.cwd: "/tmp" ${nowhere}`],
  [
    'a working directory by way of ..',
    runs({ cwd: '/opt/tools/../../tmp' }),
    `run.cwd: "/opt/tools/../../tmp" ${nowhere}`,
  ],
  ['a preloaded library', runs({ env: { LD_PRELOAD: '/tmp/evil.so' } }), 'run.env.LD_PRELOAD: is not in env'],
  ['another PATH', runs({ env: { PATH: '/tmp' } }), 'run.env.PATH: is not in env'],
  [
    'a command that the document chooses',
    runs({ command: { choose: '/role', of: { web: [program, '--partition=1'], x: ['/bin/sh'] } } }),
    `run.command.of.x[0]: "/bin/sh" ${nowhere}`,
  ],
  ['a stop command', { stop: { command: ['/bin/rm', '-rf', '/'] } }, `stop.command[0]: "/bin/rm" ${nowhere}`],
  ['stop.gone', { stop: { gone: ['/opt/tools/alive', '-x'] } }, `stop.gone: "/opt/tools/alive -x" ${fits}`],
  ['a check', { checks: [{ name: 'a', command: ['/bin/true'] }] }, `checks[0].command[0]: "/bin/true" ${nowhere}`],
  [
    'a reaction among built-in ones',
    { checks: [{ name: 'a', ttl: '5m', onFailure: ['restart', ['/bin/sh']] }] },
    `checks[0].onFailure[1][0]: "/bin/sh" ${nowhere}`,
  ],
  ['a hook', { hooks: { joined: ['/opt/tools/sh'] } }, `hooks.joined: "/opt/tools/sh" ${fits}`],
  [
    'a source that is a command',
    { partitions: { command: ['/bin/cat', '/etc/shadow'] } },
    `partitions.command[0]: "/bin/cat" ${nowhere}`,
  ],
  ['a module', { partitions: { module: '/tmp/evil.mjs' } }, `partitions.module: "/tmp/evil.mjs" ${nowhere}`],
  [
    'a module that is no command line',
    { partitions: { module: '/opt/tools/evil.mjs' } },
    `partitions.module: "/opt/tools/evil.mjs" ${fits}`,
  ],
  [
    'a file of root',
    { partitions: { file: '/etc/shadow', format: 'lines' } },
    'partitions.file: "/etc/shadow" is in no directory of files',
  ],
  [
    'a secret in a header',
    { partitions: { http: { url: 'http://h/', headers: { a: { file: '/etc/shadow' } } } } },
    'partitions.http.headers.a: "/etc/shadow" is in no directory of files',
  ],
  [
    'a key of root',
    { partitions: { http: { url: 'https://h/', tls: { cert: '/srv/consumer/c', key: '/srv/other/key' } } } },
    'partitions.http.tls.key: "/srv/other/key" is in no directory of files',
  ],
  [
    'a file that root writes',
    { metrics: { textfile: '/etc/cron.d/x.prom' } },
    'metrics.textfile: "/etc/cron.d/x.prom" is in no directory of files',
  ],
  ['a scheduler', { assign: { command: ['/bin/sh'], user: 'nobody' } }, `assign.command[0]: "/bin/sh" ${nowhere}`],
  [
    'a module that schedules',
    { assign: { module: '/tmp/x.mjs', user: 'nobody' } },
    `assign.module: "/tmp/x.mjs" ${nowhere}`,
  ],
  [
    'a scheduler of root',
    { assign: { command: ['/opt/tools/alive'], user: 'root' } },
    'assign.user: "root" is not in users',
  ],
  [
    'a scheduler of nobody in particular',
    { assign: { command: ['/opt/tools/alive'] } },
    'assign.user: is missing; users has consumer, nobody',
  ],
  [
    'what prepares a version',
    { versions: { pattern: '^[0-9]+$', prepare: ['/bin/sh', '{version}'] } },
    `versions.prepare[0]: "/bin/sh" ${nowhere}`,
  ],
  [
    'what checks a rendered file',
    { render: [{ ...rendered, check: ['/bin/sh', '{file}'] }] },
    `render[0].check[0]: "/bin/sh" ${nowhere}`,
  ],
  [
    'a command after it',
    { render: [{ ...rendered, command: ['/bin/sh'] }] },
    `render[0].command[0]: "/bin/sh" ${nowhere}`,
  ],
  [
    'a rendered file of root',
    { render: [{ ...rendered, dest: '/etc/cron.d/x' }] },
    'render[0].dest: "/etc/cron.d/x" is in no directory of files',
  ],
  [
    'a template that shows a secret',
    { render: [{ ...rendered, template: '/etc/shadow' }] },
    'render[0].template: "/etc/shadow" is in no directory of files',
  ],
  [
    'the owner of a rendered file',
    { render: [{ ...rendered, owner: 'root' }] },
    'render[0].owner: "root" is not in users and groups',
  ],
  ['a port', { register: { port: 22 } }, 'register.port: 22 is not in ports'],
  ['no limit of memory', runs({ memory: undefined }), 'run.memory: is missing, and the sum of all services is bounded'],
  [
    'a limit that need not be kept',
    runs({ limits: 'best-effort' }),
    'run.limits: "best-effort" may leave out run.memory, and the sum is bounded',
    { ...bounds, users: undefined, groups: undefined },
  ],
  [
    'any number of partitions',
    { maxPartitions: null },
    'maxPartitions: is missing, and the sum of run.memory of all services is bounded',
  ],
  [
    'more memory than all may have',
    { maxPartitions: 11 },
    'run.memory: 11 × 100000000 = 1100000000: more than 1000000000, the sum of all services',
  ],
  ['more processors', runs({ cpu: 1 }), 'run.cpu: 4 × 1 = 4: more than 2, the sum of all services'],
  ['more processes', runs({ pids: 51 }), 'run.pids: 4 × 51 = 204: more than 200, the sum of all services'],
]

describe('a definition that stays within the limits of its machine', () => {
  it('is allowed', async () => assert.equal(await found({}), null))
  it('may have its module and its files where they are allowed', async () => {
    assert.equal(await found({ partitions: { module: '/usr/local/lib/consumer/list.mjs' } }), null)
    assert.equal(
      await found({ partitions: { file: '/srv/consumer/list.json' }, metrics: { textfile: '/srv/consumer/a.prom' } }),
      null,
    )
  })
  it('may render files where it may have files, for whom it may run', async () => {
    const own = { ...rendered, owner: 'nobody:consumer', check: ['/usr/local/lib/consumer/page', '{file}'] }
    assert.equal(await found({ render: [own] }), null)
    assert.equal(await found({ assign: { command: ['/opt/tools/alive'], user: 'nobody' } }), null)
  })
  it('is any where nothing is bounded', async () => {
    const none = boundsIn('{}', 'limits.json')
    for (const [, more] of escapes) assert.equal(outside(await loaded(more), none), null)
  })
})

describe('a definition that tries to get out', () => {
  for (const [what, more, line, by = bounds] of escapes)
    it(`by ${what} is refused`, async () => assert.equal(outside(await loaded(more), by), line))

  const fit: [pattern: string, argument: string, boolean][] = [
    ['*', '{partition}', true],
    ['{partition}', '{partition}', true],
    ['--p={partition}', '--p={partition}', true],
    ['--p=*', '--p={token}-{partition}', true],
    ['{partition}', '{token}', false],
    ['{partition}', '7', false],
    ['7', '{partition}', false],
    ['*n}', '{partition}', false],
    ['{p*', '{partition}', false],
    ['--p=7*', '--p={partition}', false],
  ]
  for (const [pattern, argument, fits] of fit) {
    it(`by a placeholder gets no further than the pattern: ${pattern} ${fits ? 'fits' : 'does not fit'} ${argument}`, async () => {
      const of = await parseDefinition(
        JSON.stringify({ name: 'a', partitions: { range: [0, 1] }, run: { command: ['/a', argument] } }),
        'a.json',
      )
      assert.equal(outside(of, { commands: { a: [['/a', pattern]] } }) === null, fits)
    })
  }

  const sized = async (maxPartitions: number, name = 'x') => ({ ...(await loaded({ maxPartitions })), name, id: name })
  it('together with others is refused: each says its part', async () => {
    const others = [await sized(3, 'a'), await sized(4, 'b')]
    assert.equal(sumOutside(await sized(3), others.slice(1), { memory: 1e9 }), null)
    assert.equal(
      sumOutside(await sized(4), others, { memory: 1e9 }),
      'run.memory: 4 × 100000000 = 400000000, and 2 other services may take 700000000: more than 1000000000, the sum of all services',
    )
  })

  const unsaid: [object, string][] = [
    [
      { run: { command: ['a'], user: 'a b' } },
      'run.user: cannot be "a b"; give the name of one on this machine: letters, digits, _ . -, the first a letter or _',
    ],
    [
      { run: { command: ['a'], user: '0' } },
      'run.user: cannot be "0"; give the name of one on this machine: letters, digits, _ . -, the first a letter or _',
    ],
    [
      { run: { command: ['a'], user: '--reset-env' } },
      'run.user: cannot be "--reset-env"; give the name of one on this machine: letters, digits, _ . -, the first a letter or _',
    ],
    [{ run: { command: ['a'], group: 'x' } }, 'run.group: needs a user; give run.user too'],
    [
      { run: { command: ['a'], umask: 27 } },
      'run.umask: cannot be 27; give three or four octal digits as text, such as "0027"',
    ],
    [{ run: { command: ['a'], nice: -21 } }, 'run.nice: cannot be -21; give a whole number from -20 to 19'],
    [
      { run: { command: ['a'], ulimit: { locks: 5 } } },
      'run.ulimit.locks: is an unknown field; the fields here are nofile, nproc, core, fsize, data, stack, as, cpu, memlock',
    ],
    [
      { run: { command: ['a'], ulimit: { nofile: -1 } } },
      'run.ulimit.nofile: cannot be -1; give a whole number of at least 0, or "unlimited"',
    ],
    [
      { run: { command: ['a'], memory: '100 M' } },
      'run.memory: cannot be "100 M"; give an amount of at least "1MB", such as "100MB" or "2GiB"',
    ],
    [
      { run: { command: ['a'], memory: 5 } },
      'run.memory: cannot be 5; give an amount of at least "1MB", such as "100MB" or "2GiB"',
    ],
    [{ run: { command: ['a'], cpu: 0 } }, 'run.cpu: cannot be 0; give a number of processors from 0.01 to 1024'],
    [{ run: { command: ['a'], pids: 0 } }, 'run.pids: cannot be 0; give a whole number of at least 1'],
    [
      { run: { command: ['a'], private: ['/'] } },
      'run.private[0]: cannot be "/"; give an absolute path without "..", and not "/" for a private one',
    ],
    [
      { run: { command: ['a'], private: ['/tmp/../etc'] } },
      'run.private[0]: cannot be "/tmp/../etc"; give an absolute path without "..", and not "/" for a private one',
    ],
    [{ run: { command: ['a'], readOnly: 'usr' } }, 'run.readOnly: cannot be a string; give an array of absolute paths'],
    [{ run: { command: ['a'], limits: 'none' } }, 'run.limits: cannot be "none"; give "strict" or "best-effort"'],
    [
      { run: { command: ['a'], user: 'b', per: 'instance' } },
      'run.user: cannot be with run.per "instance": another user cannot read the file $WATCHBILL_ASSIGNMENT; remove it',
    ],
    [
      { run: { command: ['a'], user: 'b' }, ready: 'confirm' },
      'ready: cannot be "confirm" with run.user: another user cannot write the file $WATCHBILL_READY; give a check',
    ],
  ]
  for (const [more, line] of unsaid) {
    it(`by a value that is none is refused: ${line.split(';')[0]}`, async () => {
      const said = parseDefinition(JSON.stringify({ name: 'a', partitions: { range: [0, 1] }, ...more }), 'a.json')
      await assert.rejects(said, { name: 'Permanent', message: `cannot use the definition a.json: ${line}` })
    })
  }
})

describe('limits that are wrong', () => {
  const wrong: [string, string][] = [
    ['{', 'line 1, column 2: '],
    [
      '[]',
      'it cannot be an empty array; give an object with users, groups, nice, programs, commands, env, files, ports, memory, cpu, pids',
    ],
    [
      '{"user":["a"]}',
      'user: is an unknown field; the fields here are users, groups, nice, programs, commands, env, files, ports, memory, cpu, pids',
    ],
    [
      '{"programs":["lib"]}',
      'programs[0]: cannot be "lib"; give an absolute path without ".." such as "/usr/local/lib/consumer"',
    ],
    [
      '{"programs":["/a/../b"]}',
      'programs[0]: cannot be "/a/../b"; give an absolute path without ".." such as "/usr/local/lib/consumer"',
    ],
    [
      '{"commands":{"a":["/bin/a"]}}',
      'commands.a[0]: cannot be a string; give an array of command lines, each an array of patterns, such as [["/usr/bin/consume", "*"]]',
    ],
    ['{"ports":["9-1"]}', 'ports[0]: cannot be "9-1"; give a port, or a range of ports such as "9000-9100"'],
    ['{"ports":[70000]}', 'ports[0]: cannot be 70000; give a port, or a range of ports such as "9000-9100"'],
    ['{"memory":"lots"}', 'memory: cannot be "lots"; give an amount such as "8GiB"'],
    ['{"cpu":0}', 'cpu: cannot be 0; give a number above 0'],
  ]
  for (const [text, line] of wrong) {
    it(`are refused in one line: ${text}`, () => {
      assert.throws(
        () => boundsIn(text, '/etc/watchbill/limits.json'),
        ({ name, message }: Error) => {
          assert.equal(name, 'Permanent')
          return (
            message.startsWith(`cannot use the limits /etc/watchbill/limits.json: ${line}`) && !message.includes('\n')
          )
        },
      )
    })
  }
})
