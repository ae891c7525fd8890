import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { Permanent } from '../../lib/base/errors.ts'
import { loadDefinition, parseDefinition } from '../../lib/definition/load.ts'
import { shown } from '../../lib/definition/wording.ts'
import { smallest } from './samples.ts'

const directory = mkdtempSync(join(tmpdir(), 'definition-'))
after(() => rmSync(directory, { recursive: true }))

function written(name: string, content: string | Uint8Array): string {
  const file = join(directory, name)
  writeFileSync(file, content)
  return file
}

/** The line with which `value` is refused, without what every line begins with. */
async function refusal(value: unknown): Promise<string> {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const error = await parseDefinition(text, '/etc/watchbill/consumer.json').catch(thrown => thrown)
  assert.ok(error instanceof Permanent, `it was not refused as permanent: ${error}`)
  const start = 'cannot use the definition /etc/watchbill/consumer.json: '
  assert.equal(error.message.slice(0, start.length), start)
  return error.message.slice(start.length)
}

const load = (value: unknown) => parseDefinition(JSON.stringify(value), 'consumer.json')

test('the smallest definition gets every default', async () => {
  const file = written('smallest.json', JSON.stringify(smallest))
  assert.deepEqual(await loadDefinition(file), {
    name: 'consumer',
    id: 'consumer',
    tags: [],
    weight: 1,
    maxPartitions: null,
    partitions: ['0', '1'],
    source: null,
    onChange: null,
    variables: {},
    run: { command: ['./consume'], cwd: null, env: {}, restart: 'always', per: 'partition' },
    stop: { signal: 'SIGTERM', graceMs: 3000, command: null },
    checks: [],
    hooks: {},
    register: null,
    guardIntervalMs: 2000,
    leaseMs: 10_000,
  })
})

test('a definition that says everything is taken at its word', async () => {
  const everything = {
    $schema: './definition.schema.json',
    name: 'kafka-consumer',
    id: 'kafka-consumer-2',
    title: 'Kafka Consumer, “eu” 日本',
    tags: ['consumer', 'eu west'],
    weight: 2.5,
    maxPartitions: 12,
    partitions: { list: ['eu/orders', 'Zürich', '7'], onChange: 'SIGHUP' },
    run: {
      command: ['./consume', '--partition', '{partition}', ''],
      cwd: '/srv/consumer',
      env: { GROUP: '{service}-{partition}', EMPTY: '' },
      restart: 'on-failure',
      per: 'partition',
    },
    stop: { signal: 'SIGINT', grace: '1.5s', command: ['./drain', '{partition}'] },
    starts: { atOnce: 20 },
    checks: [
      { name: 'progress', ttl: '5m', onFailure: 'restart', onPass: ['./page', '-r'] },
      {
        name: 'disk',
        id: 'disk-full',
        notes: 'see the runbook',
        tags: ['disk'],
        command: ['./disk', '{partition}'],
        interval: '60s',
        timeout: '2s',
        failuresBeforeCritical: 3,
        for: '1m',
        coolDown: '1h',
        movesPerHour: 2,
        onWarning: [['./page', '{partition}'], 'release'],
        onFailure: 'drain',
      },
    ],
    hooks: { failed: ['./page'], acquired: ['./tell', '{partition}'] },
    register: { port: 9000 },
    guard: { interval: '1500ms' },
    lease: '7s',
  }
  assert.deepEqual(await load(everything), {
    name: 'kafka-consumer',
    id: 'kafka-consumer-2',
    title: 'Kafka Consumer, “eu” 日本',
    tags: ['consumer', 'eu west'],
    weight: 2.5,
    maxPartitions: 12,
    partitions: ['eu/orders', 'Zürich', '7'],
    source: null,
    onChange: 'SIGHUP',
    variables: {},
    run: everything.run,
    stop: { signal: 'SIGINT', graceMs: 1500, command: ['./drain', '{partition}'] },
    startsAtOnce: 20,
    checks: [
      {
        id: 'progress',
        name: 'progress',
        notes: '',
        tags: [],
        ttlMs: 300_000,
        command: null,
        intervalMs: 10_000,
        timeoutMs: 10_000,
        failuresBeforeCritical: 1,
        forMs: 0,
        coolDownMs: 600_000,
        movesPerHour: 4,
        onFailure: ['restart'],
        onWarning: [],
        onPass: [['./page', '-r']],
      },
      {
        id: 'disk-full',
        name: 'disk',
        notes: 'see the runbook',
        tags: ['disk'],
        ttlMs: null,
        command: ['./disk', '{partition}'],
        intervalMs: 60_000,
        timeoutMs: 2000,
        failuresBeforeCritical: 3,
        forMs: 60_000,
        coolDownMs: 3_600_000,
        movesPerHour: 2,
        onFailure: ['drain'],
        onWarning: [['./page', '{partition}'], 'release'],
        onPass: [],
      },
    ],
    hooks: everything.hooks,
    register: { port: 9000 },
    guardIntervalMs: 1500,
    leaseMs: 7000,
  })
})

test('a range counts both of its ends, and may be a single number', async () => {
  const ids = async (range: number[]) => (await load({ ...smallest, partitions: { range } })).partitions
  assert.deepEqual(await ids([8, 11]), ['8', '9', '10', '11'])
  assert.deepEqual(await ids([5, 5]), ['5'])
  assert.equal((await ids([1, 100_000])).length, 100_000)
  assert.deepEqual(await ids([Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER]), [
    '9007199254740990',
    '9007199254740991',
  ])
})

test('an environment may use names that JavaScript objects already have', async () => {
  const env = { constructor: 'a', toString: 'b', hasOwnProperty: 'c' }
  assert.deepEqual({ ...(await load({ ...smallest, run: { command: ['x'], env } })).run.env }, env)
})

test('a set that is added by hand has nothing of its own', async () => {
  const { partitions, source, onChange } = await load({
    ...smallest,
    partitions: { byHand: true, onChange: 'SIGHUP' },
  })
  assert.deepEqual({ partitions, source, onChange }, { partitions: [], source: null, onChange: 'SIGHUP' })
})

test('a definition is plain JSON', async () => {
  const definition = await load(smallest)
  assert.deepEqual(JSON.parse(JSON.stringify(definition)), definition)
})

const name = 'give 1 to 64 of A-Z a-z 0-9 _ . - that begin with a letter or a digit'
const range = 'give two numbers: the first and the last one, such as [0, 15]'
const number = 'give a whole number of at least 0'
const id = 'give 1 to 200 bytes, percent-encoded as in its key, without control characters'
const either = 'give one of "range", "list", "count", "percent", "byHand", "file", "http", "command", "module"'
const url = 'give an http:// or https:// URL without a user in it'
const pointer = 'give a JSON pointer: empty, or names that each begin with "/"'
const args = 'give an array of strings: the program, then its arguments'
const commands = `${args}; or {"choose": "/role", "of": {"name": ["program"]}}`
const weight = 'give a number above 0 and up to 1000000'
const most = 'give a whole number of at least 1, or null for no limit'
const signal = 'give a signal that ends a process, such as SIGTERM, SIGINT or SIGKILL'
const time = 'give a duration such as "500ms", "3s" or "1.5m"'
const variable = 'use letters, digits and _, the first not a digit; WATCHBILL_ names are set by watchbill'
const top =
  '$schema, role, name, id, title, tags, weight, maxPartitions, maxCost, meta, placement, assign, partitions, run, stop, starts, checks, ready, hooks, variables, render, register, metrics, wait, moves, back, freeze, whenIsolated, onBoot, versions, guard, lease'
const offered = 'give a text of at most 512 characters, a number, true or false'
const tooMuch = Object.fromEntries(Array.from({ length: 9 }, (_, at) => [`a${at}`, 'x'.repeat(500)]))
const broken = 'holds a NUL character or broken Unicode; remove it'

/** What is added to the smallest definition, and the line that it is refused with. */
const refused: [object, string][] = [
  [{ name: undefined }, `name: is missing; ${name}`],
  [{ name: '' }, `name: cannot be ""; ${name}`],
  [{ name: 'a b' }, `name: cannot be "a b"; ${name}`],
  [{ name: '../x' }, `name: cannot be "../x"; ${name}`],
  [{ name: 'x\n' }, `name: cannot be "x\\n"; ${name}`],
  [{ name: 'é' }, `name: cannot be "é"; ${name}`],
  [{ name: 'x'.repeat(65) }, `name: cannot be "${'x'.repeat(60)}…"; ${name}`],
  [{ name: ['x'] }, `name: cannot be an array of 1; ${name}`],
  [{ id: '-x' }, `id: cannot be "-x"; ${name}`],
  [{ id: null }, `id: cannot be null; ${name}`],
  ...['', ' ', 'a\nb', 'a\u0007', 'a\u2028b', 'x'.repeat(201), 7, null].map((wrong): [object, string] => [
    { title: wrong },
    `title: cannot be ${shown(wrong)}; give 1 to 200 characters, none of which is a control character`,
  ]),
  [{ tags: 'consumer' }, 'tags: cannot be a string; give an array of strings'],
  [{ tags: [''] }, 'tags[0]: cannot be ""; give a tag that is not empty'],
  [{ weight: 0 }, `weight: cannot be 0; ${weight}`],
  [{ weight: '1' }, `weight: cannot be "1"; ${weight}`],
  [{ weight: 1_000_001 }, `weight: cannot be 1000001; ${weight}`],
  [{ maxPartitions: 0 }, `maxPartitions: cannot be 0; ${most}`],
  [{ maxPartitions: 1.5 }, `maxPartitions: cannot be 1.5; ${most}`],
  [{ maxPartitions: 'all' }, `maxPartitions: cannot be "all"; ${most}`],

  [{ maxCost: 0 }, 'maxCost: cannot be 0; give a number above 0 and up to 1000000000'],
  [{ maxCost: 1e308 }, 'maxCost: cannot be 1e+308; give a number above 0 and up to 1000000000'],
  [{ meta: [] }, 'meta: cannot be an empty array; give an object of texts, numbers, true and false'],
  [{ meta: { a: null } }, `meta.a: cannot be null; ${offered}`],
  [{ meta: { a: 'x\u0007' } }, `meta.a: cannot be "x\\u0007"; ${offered}`],
  [{ meta: { a: 'x'.repeat(513) } }, `meta.a: cannot be "${'x'.repeat(60)}…"; ${offered}`],
  [{ meta: { 'a.b': 1 } }, 'meta["a.b"]: is no name for this; use 1 to 128 letters, digits, _ and -'],
  [{ meta: tooMuch }, 'meta: takes more than 4096 bytes as JSON; make it smaller'],

  [{ partitions: undefined }, `partitions: is missing; ${either}`],
  [{ partitions: [0, 15] }, `partitions: cannot be an array of 2; ${either}`],
  [{ partitions: {} }, `partitions: is empty; ${either}`],
  [{ partitions: { range: [0, 1], list: ['a'] } }, `partitions: has range and list; ${either}`],
  [{ partitions: { range: [0, 1], byHand: true } }, `partitions: has range and byHand; ${either}`],
  [{ partitions: { byHand: false } }, 'partitions.byHand: cannot be false; give true'],
  [
    { partitions: { range: [0, 1], number: 3 } },
    'partitions.number: is an unknown field; the fields here are range, list, count, percent, byHand, of, settle, file, http, command, module, ' +
      'format, items, id, every, jitter, timeout, retry, giveUpAfter, maxDrop, removes, then, config, onChange',
  ],
  [
    { partitions: { range: [0, 1], every: '5s' } },
    'partitions.every: is only for a set that is fetched: with "file", "http", "command", "module"; remove it',
  ],
  [{ partitions: { file: 'here.json' } }, 'partitions.file: cannot be "here.json"; give an absolute path'],
  [{ partitions: { module: 7 } }, 'partitions.module: cannot be a number; give a string'],
  [{ partitions: { command: [] } }, `partitions.command: cannot be an empty array; ${args}`],
  [{ partitions: { http: {} } }, `partitions.http.url: is missing; ${url}`],
  [{ partitions: { http: { url: 'ftp://h/' } } }, `partitions.http.url: cannot be a string; ${url}`],
  [{ partitions: { http: { url: 'http://me:secret@h/' } } }, `partitions.http.url: cannot be a string; ${url}`],
  [
    { partitions: { http: { url: 'http://h/', body: 'x' } } },
    'partitions.http.body: is not sent with GET; give "method": "POST"',
  ],
  [
    { partitions: { http: { url: 'https://h/', tls: { cert: '/c.pem' } } } },
    'partitions.http.tls: has only one of "cert" and "key"; give both',
  ],
  [{ partitions: { file: '/f', items: 'data' } }, `partitions.items: cannot be "data"; ${pointer}`],
  [{ partitions: { file: '/f', id: '/a~2' } }, `partitions.id: cannot be "/a~2"; ${pointer}`],
  [
    { partitions: { file: '/f', every: '0.1s' } },
    'partitions.every: cannot be "0.1s"; give a duration of at least "1s", or "never"',
  ],
  [
    { partitions: { file: '/f', every: 'never', jitter: '1s' } },
    'partitions.jitter: goes with an interval, not with "never"; remove it',
  ],
  [{ partitions: { file: '/f', removes: 'no' } }, 'partitions.removes: cannot be "no"; give true or false'],
  // biome-ignore lint/suspicious/noThenProperty: it is a string
  [{ partitions: { file: '/f', then: 'stop' } }, 'partitions.then: cannot be "stop"; give "drain"'],
  [{ partitions: { file: '/f', config: {} } }, 'partitions.config: is only for a module; remove it'],
  [{ partitions: { file: '/f', timeout: '1h' } }, 'partitions.timeout: is more than "5m"; lower it'],
  [{ partitions: { file: '/f', jitter: '31s' } }, 'partitions.jitter: is more than every, "30s"; lower it'],
  [
    { partitions: { file: '/f', maxDrop: 0.5 } },
    'partitions.maxDrop: cannot be 0.5; give a percentage such as "50%", up to "100%"',
  ],
  [
    { partitions: { file: '/f', onChange: 'SIGSTOP' } },
    'partitions.onChange: cannot be "SIGSTOP"; give "restart", or a signal such as SIGHUP',
  ],
  [{ partitions: { range: 16 } }, `partitions.range: cannot be a number; ${range}`],
  [{ partitions: { range: [0] } }, `partitions.range: cannot be an array of 1; ${range}`],
  [{ partitions: { range: [0, 1, 2] } }, `partitions.range: cannot be an array of 3; ${range}`],
  [{ partitions: { range: [-1, 1] } }, `partitions.range[0]: cannot be -1; ${number}`],
  [{ partitions: { range: [0, '15'] } }, `partitions.range[1]: cannot be "15"; ${number}`],
  [{ partitions: { range: [2 ** 53 - 9, 2 ** 53] } }, `partitions.range[1]: cannot be 9007199254740992; ${number}`],
  [{ partitions: { range: [3, 0] } }, 'partitions.range: runs backwards; give the smaller number first'],
  [{ partitions: { range: [0, 100_000] } }, 'partitions.range: is too long; give at most 100000 partitions'],
  [{ partitions: { list: 'a' } }, 'partitions.list: cannot be a string; give an array of at least one partition id'],
  [
    { partitions: { list: [] } },
    'partitions.list: cannot be an empty array; give an array of at least one partition id',
  ],
  [{ partitions: { list: ['a', 1] } }, 'partitions.list[1]: cannot be 1; give a string'],
  [{ partitions: { list: ['a', 'b', 'a'] } }, 'partitions.list[2]: "a" is there twice; keep one'],
  [{ partitions: { list: [''] } }, `partitions.list[0]: cannot be ""; ${id}`],
  [{ partitions: { list: ['a', 'b\nc'] } }, `partitions.list[1]: cannot be "b\\nc"; ${id}`],
  [{ partitions: { list: ['\ud800'] } }, `partitions.list[0]: cannot be "\\ud800"; ${id}`],
  [{ partitions: { list: ['/'.repeat(67)] } }, `partitions.list[0]: cannot be "${'/'.repeat(60)}…"; ${id}`],

  [
    { run: undefined },
    'run: is missing; give an object with command, cwd, env, restart, per, user, group, umask, nice, ulimit, memory, cpu, pids, readOnly, private, limits',
  ],
  [{ run: {} }, `run.command: is missing; ${commands}`],
  [{ run: { command: ['x'], per: 'node' } }, 'run.per: cannot be "node"; give one of partition, instance'],
  [
    { run: { command: ['x', '-p{partition}'], per: 'instance' } },
    'run.command: names {partition} or {token}, but one process for all partitions has neither; it reads them in the file $WATCHBILL_ASSIGNMENT',
  ],
  [{ run: { command: './consume --password x' } }, `run.command: cannot be a string; ${commands}`],
  [{ run: { command: [] } }, `run.command: cannot be an empty array; ${args}`],
  [{ run: { command: ['', 'x'] } }, 'run.command[0]: is empty; give the program'],
  [{ run: { command: ['x', 1] } }, 'run.command[1]: cannot be a number; give a string'],
  [{ run: { command: ['x', 'a\0b'] } }, `run.command[1]: ${broken}`],
  [{ run: { command: ['x', '\udfff'] } }, `run.command[1]: ${broken}`],
  [
    { run: { command: {} } },
    'run.command.choose: is missing; give a JSON pointer: empty, or names that each begin with "/" (and 1 more)',
  ],
  [
    { run: { command: { choose: 'role', of: { a: ['x'] } } } },
    'run.command.choose: cannot be "role"; give a JSON pointer: empty, or names that each begin with "/"',
  ],
  [{ run: { command: { choose: '/role', of: {} } } }, 'run.command.of: is empty; give a command for each name'],
  [{ run: { command: { choose: '/role', of: { a: [] } } } }, `run.command.of.a: cannot be an empty array; ${args}`],
  [
    { run: { command: { choose: '/role', of: { a: ['x'] }, or: 1 } } },
    'run.command.or: is an unknown field; the fields here are choose, of',
  ],
  [
    { run: { command: { choose: '/role', of: { a: ['sh', '-c', 'x {partition}'] } } } },
    'run.command.of.a[2]: has {partition} in the code that sh -c executes; use the variable "$WATCHBILL_PARTITION" there',
  ],
  [
    { run: { command: { choose: '/role', of: { a: ['x'] } }, per: 'instance' } },
    'run.command.choose: is for a process per partition, and run.per is "instance"; give one command',
  ],
  [{ run: { command: ['x'], cwd: 'srv' } }, 'run.cwd: cannot be "srv"; give an absolute path'],
  [{ run: { command: ['x'], cwd: '' } }, 'run.cwd: cannot be ""; give an absolute path'],
  [{ run: { command: ['x'], env: ['A=1'] } }, 'run.env: cannot be an array of 1; give an object of strings'],
  [{ run: { command: ['x'], env: { PIN: 1234 } } }, 'run.env.PIN: cannot be a number; give a string'],
  [{ run: { command: ['x'], env: { A: 'b\0' } } }, `run.env.A: ${broken}`],
  [{ run: { command: ['x'], env: { '1A': '' } } }, `run.env.1A: is not a valid variable name here; ${variable}`],
  [{ run: { command: ['x'], env: { '1': '' } } }, `run.env.1: is not a valid variable name here; ${variable}`],
  [{ run: { command: ['x'], env: { 'A=B': '' } } }, `run.env["A=B"]: is not a valid variable name here; ${variable}`],
  [{ run: { command: ['x'], env: { '': '' } } }, `run.env[""]: is not a valid variable name here; ${variable}`],
  [
    { run: { command: ['x'], env: { WATCHBILL_TOKEN: '1' } } },
    `run.env.WATCHBILL_TOKEN: is not a valid variable name here; ${variable}`,
  ],
  [
    { run: { command: ['x'], restart: 'sometimes' } },
    'run.restart: cannot be "sometimes"; give one of always, on-failure, never',
  ],

  [{ stop: null }, 'stop: cannot be null; give an object with signal, grace, command, gone'],
  [{ stop: { signal: 'TERM' } }, `stop.signal: cannot be "TERM"; ${signal}`],
  [{ stop: { signal: 'SIGSTOP' } }, `stop.signal: cannot be "SIGSTOP"; ${signal}`],
  [{ stop: { signal: 15 } }, `stop.signal: cannot be 15; ${signal}`],
  [{ stop: { grace: 3 } }, `stop.grace: cannot be 3; ${time}`],
  [{ stop: { grace: '3 s' } }, `stop.grace: cannot be "3 s"; ${time}`],
  [{ stop: { grace: '-3s' } }, `stop.grace: cannot be "-3s"; ${time}`],
  [{ stop: { command: [] } }, `stop.command: cannot be an empty array; ${args}`],
  [{ starts: { atOnce: 0 } }, 'starts.atOnce: cannot be 0; give a whole number of at least 1'],
  [{ starts: {} }, 'starts.atOnce: is missing; give a whole number of at least 1'],
  [
    { starts: { atOnce: 5 }, run: { command: ['x'], per: 'instance' } },
    'starts.atOnce: is for a process per partition, and run.per is "instance"; remove it',
  ],
  [{ guard: { interval: '999ms' } }, 'guard.interval: cannot be "999ms"; give a duration of at least "1s"'],
  [{ guard: { interval: 'often' } }, 'guard.interval: cannot be "often"; give a duration of at least "1s"'],
  [{ guard: { every: '2s' } }, 'guard.every: is an unknown field; the fields here are interval'],
  [{ lease: 10 }, `lease: cannot be 10; ${time}`],
  [{ lease: '0s' }, `lease: cannot be "0s"; ${time}`],
  [
    { guard: { interval: '5s' } },
    'lease: 10 s is less than 2 × guard.interval + 1.5 s = 11.5 s; raise lease or lower guard.interval',
  ],
  [
    { lease: '5.499s' },
    'lease: 5.499 s is less than 2 × guard.interval + 1.5 s = 5.5 s; raise lease or lower guard.interval',
  ],
  [
    { lease: '5m' },
    'lease: the takeover wait lease + stop.grace + 1 s = 304 s is more than 300 s; lower lease or stop.grace',
  ],

  [
    { partitions: { count: 0 } },
    'partitions.count: cannot be 0; give a whole number of at least 1, or {"env": "NAME"}',
  ],
  [
    { partitions: { count: { env: 'NO_SUCH_VARIABLE' } } },
    'partitions.count.env: NO_SUCH_VARIABLE is not set; set it when configure runs',
  ],
  [{ checks: {} }, 'checks: cannot be an object; give an array of checks'],
  [
    { checks: [{ name: 'a' }] },
    'checks[0]: has more than one or none; give one of "ttl", "command" with its "interval", or "metric" with "above", "below" or "unchangedFor"',
  ],
  [
    { checks: [{ name: 'a', ttl: '1s', command: ['x'] }] },
    'checks[0]: has more than one or none; give one of "ttl", "command" with its "interval", or "metric" with "above", "below" or "unchangedFor"',
  ],
  [
    {
      checks: [
        { name: 'a', ttl: '1s' },
        { name: 'b', id: 'a', ttl: '1s' },
      ],
    },
    'checks[1].id: "a" is there twice; give one of them another id',
  ],
  [
    { checks: [{ name: 'runs', ttl: '1s' }] },
    "checks[0].name: cannot be runs, a check of watchbill's own; give another",
  ],
  [{ checks: [{ name: 'a', ttl: '1ms' }] }, 'checks[0].ttl: cannot be "1ms"; give a duration of at least "1s"'],
  [
    { checks: [{ name: 'a', ttl: '1s', onFailure: 'reboot' }] },
    'checks[0].onFailure: cannot be a string; give a command (an array of strings), "restart", "release", "drain", or a list of these',
  ],
  [
    { hooks: { lost: 'x' } },
    'hooks.lost: cannot be a string; give an array of strings: the program, then its arguments',
  ],
  [
    { hooks: { gone: ['x'] } },
    'hooks.gone: is an unknown field; the fields here are acquired, started, exited, failed, releasing, released, stopFailed, changed, joined, left, lost, rebalanced, isolated, rejoined, sourceFailed, schedulerFailed',
  ],
  [{ register: { port: 0 } }, 'register.port: cannot be 0; give a port, 1 to 65535'],
  [{ probes: [] }, `probes: is an unknown field; the fields here are ${top}`],
  [{ events: {} }, `events: is an unknown field; the fields here are ${top}`],
  [{ 'odd\n\u2028\u009b name': 1 }, `["odd\\n\\u{2028}\\u{9b} name"]: is an unknown field; the fields here are ${top}`],
  [{ $schema: 1 }, '$schema: cannot be 1; give a string'],
  [{ name: undefined, lease: 1, weight: -1 }, `name: is missing; ${name} (and 2 more)`],
  [
    { run: { comand: ['x'] } },
    'run.comand: is an unknown field; the fields here are command, cwd, env, restart, per, user, group, umask, nice, ulimit, memory, cpu, pids, readOnly, private, limits (and 1 more)',
  ],
  [{ events: {}, probes: [], lease: 1 }, `events: is an unknown field; the fields here are ${top} (and 2 more)`],
]

for (const [added, line] of refused) {
  test(`refused: ${line}`, async () => {
    assert.equal(await refusal({ ...smallest, ...added }), line)
  })
}

test('a count is a number, or what a variable holds when configure runs', async () => {
  const count = { env: 'COUNT' }
  const text = JSON.stringify({ ...smallest, partitions: { count } })
  const { partitions, variables } = await parseDefinition(text, 'x.json', { COUNT: '3' })
  assert.deepEqual([partitions, variables], [['0', '1', '2'], { COUNT: '3' }])
  assert.deepEqual((await load({ ...smallest, partitions: { count: 2 } })).partitions, ['0', '1'])
  for (const COUNT of ['0', '-1', '1.5', 'many', '1000000', '']) {
    await assert.rejects(
      parseDefinition(text, 'x.json', { COUNT }),
      /partitions\.count\.env: COUNT is .*; .*set it|give it/,
    )
  }
})

test('the root must be an object', async () => {
  assert.equal(await refusal('[]'), `it cannot be an empty array; give an object with ${top}`)
  assert.equal(await refusal('null'), `it cannot be null; give an object with ${top}`)
})

test('a number too large for JavaScript is refused, not taken for no limit', async () => {
  const text = JSON.stringify({ ...smallest, weight: 0 }).replace('"weight":0', '"weight":1e999')
  assert.equal(await refusal(text), `weight: cannot be Infinity; ${weight}`)
})

test('a name that would be lost in copying is refused, not dropped', async () => {
  const text = '{"run": {"command": ["x"], "env": {"__proto__": "x"}}}'
  assert.equal(await refusal(text), 'line 1, column 36: the name "__proto__" cannot be used; choose another one')
})

test('text that is not JSON is refused with its line and column', async () => {
  assert.equal(
    await refusal('{\n  "name": "x",\n  "id" "y"\n}'),
    'line 3, column 8: expected ":", found a string; correct the JSON',
  )
})

test('an unusual file name cannot break the line', async () => {
  await assert.rejects(parseDefinition('', 'a\nb\u001b[31m\u2028.json'), (error: Error) => {
    assert.match(error.message, /^cannot use the definition "a\\nb\\u001b\[31m\\u\{2028\}\.json": line 1, column 1: /)
    return error instanceof Permanent
  })
})

const oneLine = /^cannot use the definition any\.json: [^\p{Cc}\p{Zl}\p{Zp}]+; [^\p{Cc}\p{Zl}\p{Zp}]+$/u

async function loadsOrSaysWhy(text: string) {
  try {
    assert.equal((await parseDefinition(text, 'any.json')).name.length > 0, true)
  } catch (error) {
    assert.ok(error instanceof Permanent, String(error))
    assert.match(error.message, oneLine)
    assert.doesNotMatch(error.message, /Invalid|undefined|NaN|\[object/)
    assert.ok(error.message.length < 600, error.message)
  }
}

test('any JSON value loads, or is refused in one line that names the file and what to do', async () => {
  await fc.assert(
    fc.asyncProperty(fc.jsonValue({ maxDepth: 4 }), value => loadsOrSaysWhy(JSON.stringify(value))),
    { numRuns: 300 },
  )
})

test('any value in any field of a good definition loads, or is refused in one line', async () => {
  const fields = [
    '$schema',
    'name',
    'id',
    'tags',
    'weight',
    'maxPartitions',
    'maxCost',
    'meta',
    'partitions',
    'run',
    'stop',
    'guard',
    'checks',
    'hooks',
    'register',
  ]
  const inner = [
    'range',
    'list',
    'command',
    'cwd',
    'env',
    'restart',
    'signal',
    'grace',
    'interval',
    'lease',
    'count',
    'onFailure',
    'ttl',
    'name',
  ]
  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.dictionary(fc.constantFrom(...inner), fc.jsonValue({ maxDepth: 2 })),
    fc.array(fc.string({ unit: 'binary' })),
    fc.constantFrom('9'.repeat(400).concat('h'), '1s', '4m', '1e3s'),
  )
  await fc.assert(
    fc.asyncProperty(fc.dictionary(fc.constantFrom(...fields, 'lease'), value), added =>
      loadsOrSaysWhy(JSON.stringify({ ...smallest, ...added })),
    ),
    { numRuns: 2000 },
  )
})

test('any text loads, or is refused in one line', async () => {
  const good = JSON.stringify(smallest)
  const damaged = fc
    .tuple(fc.nat(good.length), fc.nat(3), fc.string({ unit: 'binary', maxLength: 3 }))
    .map(([at, cut, put]) => good.slice(0, at) + put + good.slice(at + cut))
  await fc.assert(fc.asyncProperty(fc.oneof(damaged, fc.string({ unit: 'binary' })), loadsOrSaysWhy), { numRuns: 2000 })
})

test('a source gets every default, and those of its kind', async () => {
  const defaults = {
    ...{ format: 'json', id: '/id', everyMs: 30_000, jitterMs: 3000, timeoutMs: 10_000, retryMs: 1000 },
    ...{ giveUpAfterMs: 120_000, maxDrop: 0.5 },
  }
  const none = { ca: null, cert: null, key: null, serverName: null }
  const web = { kind: 'http', url: 'http://h/x', method: 'GET', headers: {}, body: null, tls: none }
  const given: [object, object, string][] = [
    [{ file: '/f' }, { kind: 'file', path: '/f' }, ''],
    [{ module: '/m.ts' }, { kind: 'module', path: '/m.ts' }, ''],
    [{ command: ['./list', ''] }, { kind: 'command', command: ['./list', ''] }, ''],
    [{ http: { url: 'http://h/x' } }, web, '/data'],
  ]
  for (const [partitions, from, items] of given) {
    const definition = await load({ ...smallest, partitions })
    assert.deepEqual(definition.source, { from, items, ...defaults })
    assert.deepEqual(definition.partitions, [])
  }
})

test('a source that is asked once, only adds, and gives up for good', async () => {
  const config = { url: 'https://h', pages: [1, null] }
  // biome-ignore lint/suspicious/noThenProperty: it is a string
  const partitions = { module: '/m.ts', config, every: 'never', removes: false, then: 'drain' }
  const { source } = await load({ ...smallest, partitions })
  assert.deepEqual(source, {
    from: { kind: 'module', path: '/m.ts', config },
    ...{ format: 'json', items: '', id: '/id', everyMs: null, jitterMs: 0, timeoutMs: 10_000, retryMs: 1000 },
    ...{ giveUpAfterMs: 120_000, maxDrop: 0.5, removes: false, onGiveUp: 'drain' },
  })
  const usual = await load({ ...smallest, partitions: { file: '/f', removes: true } })
  assert.equal('removes' in (usual.source ?? {}), false)
})

test('a source that says everything is taken at its word', async () => {
  const http = {
    url: 'https://h/x?y=1',
    method: 'POST',
    headers: { accept: 'text/plain', authorization: { file: '/token' } },
    body: '{}',
    tls: { ca: '/ca.pem', cert: '/c.pem', key: '/k.pem', serverName: 'other' },
  }
  const more = { format: 'lines', items: '', id: '/a~1b/0', every: '5s', jitter: '4s', timeout: '5m', retry: '200ms' }
  const partitions = { http, ...more, giveUpAfter: '0s', maxDrop: '100%', onChange: 'restart' }
  const { source, onChange } = await load({ ...smallest, partitions })
  assert.deepEqual(source, {
    from: { kind: 'http', ...http },
    ...{ format: 'lines', items: '', id: '/a~1b/0', everyMs: 5000, jitterMs: 4000, timeoutMs: 300_000, retryMs: 200 },
    ...{ giveUpAfterMs: 0, maxDrop: 1 },
  })
  assert.equal(onChange, 'restart')
})
