import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { before, describe, test } from 'node:test'
import { instanceFiles } from '../../lib/state/paths.ts'
import { configure, define, type Ended, folder, nowhere, run } from '../configure/run.ts'
import { consulBinary } from '../lab/consul.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { until } from '../lab/until.ts'

const top = folder()
const home = `${top}/home`
const definition = define(top)
const lines = ({ stdout }: Ended) => stdout.split('\n')

let count = 0
/** A configuration directory of its own. */
function consulDir(): string {
  const directory = `${top}/consul.d-${++count}`
  mkdirSync(directory)
  return directory
}

// A Node that stays where it is: a release is then made in no time.
const common = ['--node', 'n1', '--home', home, '--node-binary', process.execPath]

async function refused(code: number, line: RegExp, args: readonly string[], env = {}): Promise<void> {
  const { stdout, stderr, ...ended } = await configure(args, env)
  assert.deepEqual([ended.code, stdout], [code, ''], stderr)
  assert.match(stderr, line)
  assert.equal(stderr.split('\n').length, 1, stderr)
}

describe('--stdout', () => {
  test('prints what Consul would be given, and nothing else', async () => {
    const args = [definition, '--stdout', '--node', 'n1', '--home', '/opt/watchbill', '--state', '/srv/state']
    const { stdout, stderr } = await configure(args, { CONSUL_HTTP_TOKEN: 'secret' })
    const golden = readFileSync(`${import.meta.dirname}/configure.golden.json`, 'utf8')
    assert.equal(`${stdout.replaceAll(top, '/etc/watchbill')}\n`, golden)
    assert.equal(stderr, '')
  })

  test('is one configuration, of however many definitions', async () => {
    const other = define(top, { name: 'web', guard: { interval: '1s' } }, 'web.json')
    const { stdout } = await configure([definition, other, '--stdout', '--node', 'n1'])
    const { services, watches } = JSON.parse(stdout)
    assert.deepEqual([services.map(({ id }: { id: string }) => id), watches.length], [['mail', 'web'], 8])
  })

  test('names what runs the release, whatever its Node is, and an address that is not the default', async () => {
    const { stdout } = await configure([definition, '--stdout', '--node', 'n1', '--node-binary', '/opt/node'])
    const { args } = JSON.parse(stdout).watches[0]
    assert.match(args[0], /\/current\/bin\/run$/)
    assert.deepEqual(args.slice(-2), ['--http-addr', nowhere])
  })
})

describe('the files', () => {
  // The release's own configure, which has nothing to bundle.
  const installed = (args: readonly string[], env = {}) =>
    run(`${home}/current/watchbill`, ['configure', ...args], { CONSUL_HTTP_ADDR: nowhere, ...env })
  before(async () => {
    await configure([definition, ...common, '--consul-dir', consulDir()])
  })

  test('are written once', async () => {
    const directory = consulDir()
    const args = [definition, ...common, '--consul-dir', directory]
    const first = lines(await installed(args))
    assert.ok(first.includes(`wrote ${directory}/watchbill-mail.json`))
    assert.equal(first.at(-1), 'next: consul reload')
    const second = lines(await installed(args))
    assert.ok(second.includes(`unchanged ${directory}/watchbill-mail.json`))
    assert.match(second.at(-1) ?? '', /^next: nothing/)
    assert.deepEqual(readdirSync(directory), ['watchbill-mail.json'])
  })

  test('come from all definitions in WATCHBILL_CONFIG', async () => {
    const [directory, config] = [consulDir(), `${top}/etc`]
    mkdirSync(config)
    define(config, { name: 'a' }, 'a.json')
    define(config, { name: 'b', id: 'b-2' }, 'b.json')
    writeFileSync(`${config}/README`, '')
    await installed([...common, '--consul-dir', directory], { WATCHBILL_CONFIG: config })
    assert.deepEqual(readdirSync(directory), ['watchbill-a.json', 'watchbill-b-2.json'])
  })

  test('are not written by --dry-run, nor is a release made', async () => {
    const [directory, elsewhere] = [consulDir(), `${top}/elsewhere`]
    const args = [definition, '--node', 'n1', '--home', elsewhere, '--consul-dir', directory, '--dry-run']
    const said = lines(await installed(args))
    assert.match(said[0] ?? '', new RegExp(`^would build ${elsewhere}/releases/`))
    assert.equal(said[1], `would write ${directory}/watchbill-mail.json`)
    assert.deepEqual([readdirSync(directory), readdirSync(top).includes('elsewhere')], [[], false])
  })

  test('are reported as JSON', async () => {
    const directory = consulDir()
    const { stdout } = await installed([definition, ...common, '--consul-dir', directory, '--json'])
    const { changes, release, validated, environment } = JSON.parse(stdout)
    const file = `${directory}/watchbill-mail.json`
    assert.deepEqual(changes, [{ file, service: 'mail', id: 'mail', outcome: 'wrote' }])
    assert.deepEqual([release.built, release.programs, validated, environment], [false, `${home}/current`, false, []])
  })

  test('come with a word about what newer agents take no keys of', async () => {
    const file = define(top, { partitions: { list: ['a', 'tenant one', '..'] } }, 'odd.json')
    const said = lines(await installed([file, ...common, '--node', 'n 1', '--consul-dir', consulDir()]))
    const about = said.filter(line => line.startsWith('RENAME: '))
    assert.equal(about.length, 2, said.join('\n'))
    assert.match(
      about[0] ?? '',
      /1\.22 or later.* "tenant one" and 1 more, .* rename 'tenant one' tenant-one; then say so in/,
    )
    assert.match(about[1] ?? '', /take no keys of n 1:mail: it holds a space$/)
  })

  test('go again with --remove', async () => {
    const directory = consulDir()
    const args = [definition, '--consul-dir', directory, '--state', `${top}/no-state`]
    await installed([...args, ...common])
    const removed = [`removed ${directory}/watchbill-mail.json`, 'next: consul reload']
    assert.deepEqual(lines(await installed([...args, '--remove'])), removed)
    assert.deepEqual(readdirSync(directory), [])
    assert.equal(lines(await installed([...args, '--remove']))[0], `unchanged ${directory}/watchbill-mail.json`)
  })

  test('stay as long as a partition is held here, unless forced', async () => {
    const [directory, state] = [consulDir(), `${top}/state`]
    const files = instanceFiles(state, 'n1:mail')
    mkdirSync(files.partition('0').directory, { recursive: true })
    writeFileSync(files.identity, 'n1:mail\nmail\nboot\n')
    writeFileSync(files.partition('0').acquisition, 'a\n')
    const args = [definition, '--consul-dir', directory, '--state', state]
    await installed([...args, ...common])
    const line =
      /^configure: permanent: cannot remove mail: it has partitions, or a stand-in, on this machine; run watchbill leave mail first, or give --force$/
    await refused(100, line, [...args, '--remove'])
    rmSync(files.partition('0').acquisition)
    mkdirSync(files.standIn.directory, { recursive: true })
    writeFileSync(files.standIn.releasing, 'stand-in\n')
    await refused(100, line, [...args, '--remove']) // nothing would end it any more
    assert.equal((await installed([...args, '--remove', '--force'])).code, 0)
    assert.deepEqual(readdirSync(directory), [])
  })
})

describe('it refuses, in one line', () => {
  const args = [...common, '--consul-dir', top]
  const cases: [string, number, RegExp, readonly string[]][] = [
    [
      'a definition that is not there',
      100,
      /^configure: permanent: cannot use the definition .*none.json: there is no such file/,
      [`${top}/none.json`],
    ],
    [
      'a lease that is too short',
      100,
      /^configure: permanent: cannot use the definition .*short.json: lease: 1 s is less than/,
      [define(top, { lease: '1s' }, 'short.json')],
    ],
    [
      'two services with one id',
      100,
      /^configure: permanent: cannot use the definition .*twin.json: id: .*mail.json has mail too/,
      [definition, define(top, { name: 'post', id: 'mail' }, 'twin.json')],
    ],
    [
      'two services whose ids differ in capitals only',
      100,
      /^configure: permanent: cannot use the definition .*shout.json: id: .*mail.json has mail too; give one of them another id/,
      [definition, define(top, { name: 'post', id: 'Mail' }, 'shout.json')],
    ],
    [
      'two services whose names differ in capitals only',
      100,
      /^configure: permanent: cannot use the definition .*loud.json: name: .*mail.json has mail, and Consul does not tell capitals/,
      [definition, define(top, { name: 'MAIL', id: 'post' }, 'loud.json')],
    ],
    [
      'a directory that is not there',
      100,
      /^configure: permanent: cannot write to .*none: there is no such directory/,
      [definition, '--consul-dir', `${top}/none`],
    ],
    [
      'a file for a directory',
      100,
      /^configure: permanent: cannot .* a part of its path is not a directory/,
      [definition, '--consul-dir', `${definition}/d`],
    ],
    [
      'a Node that is none',
      100,
      /^configure: permanent: cannot use --node-binary \/bin\/true: it does not run as one; give the path of a Node/,
      [definition, '--node-binary', '/bin/true'],
    ],
    ['an option that it has not', 100, /there is no option --nodes/, [definition, '--nodes', 'n1']],
  ]
  for (const [what, code, line, own] of cases) test(what, () => refused(code, line, [...args, ...own]))

  test('no definition at all', () =>
    refused(100, /^configure: permanent: cannot configure: .* holds no \*\.json/, args, {
      WATCHBILL_CONFIG: `${top}/state`,
    }))

  test('to guess the name of its node', () =>
    refused(
      111,
      /^configure: temporary: cannot ask for this node's name: cannot reach Consul at .*; give --node NAME, or start the agent$/,
      [definition, '--consul-dir', top],
    ))
})

describe('a real agent', () => {
  const cluster = sharedCluster({ servers: 1, clients: 0 })

  test('takes what configure wrote: registers, runs the guard, starts the work', async () => {
    const agent = cluster().agent('s1')
    const args = [definition, '--consul-dir', agent.configDir, '--http-addr', agent.http, '--state', agent.state]
    const consul = dirname(await consulBinary())
    const configured = await configure([...args, '--home', home], { PATH: `${consul}:/usr/bin:/bin` })
    const said = lines(configured)
    assert.equal(configured.code, 0, configured.stderr)
    assert.ok(said.includes('consul validate takes it'), configured.stdout)
    assert.match(configured.stdout, /^the agent on s1 \(Consul [\d.]+\) has the settings that it needs$/m)
    assert.doesNotMatch(configured.stdout, /the agent needs \{/)
    await agent.reload()

    await until(
      'the guard to hold all locks',
      async see => {
        const checks = await agent.api<Record<string, { Output: string; Status: string }>>('GET', '/v1/agent/checks')
        const { Output, Status } = see(checks['mail-guard'] ?? { Output: '', Status: '' })
        return Status === 'passing' && Output.startsWith('4 locks held')
      },
      { deadline: 30_000 },
    )
    const services = await agent.api<Record<string, { Service: string }>>('GET', '/v1/agent/services')
    assert.equal(services.mail?.Service, 'mail')
    await until('all processes to run', () => processes(agent.state).length === 4)
    const { seen } = instanceFiles(agent.state, 's1:mail')
    for (const handler of ['on-service', 'on-keyprefix.spec', 'on-keyprefix.wake', 'on-checks']) {
      await until(`${handler} to have run`, () => existsSync(seen(handler)))
    }
    assert.doesNotMatch(readFileSync(agent.log, 'utf8'), /\[ERROR\]/)

    const running = processes(agent.state)
    assert.equal(running.length, 4)
    const updated = await configure([...args, '--home', home, '--node-binary', process.execPath])
    assert.match(updated.stdout, /^(built|unchanged) \S+\/releases\/\S+/, updated.stderr)
    assert.deepEqual(processes(agent.state), running, 'another release restarts nothing')

    await refused(100, /it has partitions, or a stand-in, on this machine/, [...args, '--remove'])
    const left = await run(`${home}/current/watchbill`, [
      'leave',
      'mail',
      '--state',
      agent.state,
      '--http-addr',
      agent.http,
    ])
    assert.match(left.stdout, /4 partitions given back/, left.stderr)
    assert.equal((await configure([...args, '--remove'])).code, 0)
    await agent.reload()
    assert.deepEqual(Object.keys(await agent.api<object>('GET', '/v1/agent/services')).includes('mail'), false)
  })

  function processes(state: string): string[] {
    const { partition } = instanceFiles(state, 's1:mail')
    return ['0', '1', '2', '3'].map(id => readFileSync(partition(id).process, 'utf8')).filter(fact => fact !== '')
  }

  test('is told what it lacks', async () => {
    const agent = await cluster().add('a1', {
      settings: { leave_on_terminate: true, enable_local_script_checks: false },
    })
    const { stdout } = await configure([definition, ...common, '--consul-dir', consulDir(), '--http-addr', agent.http])
    assert.match(
      stdout,
      /the agent on a1 \(Consul [\d.]+\) LACKS enable_local_script_checks true and leave_on_terminate false/,
    )
  })

  test('that would not take it is asked first', async () => {
    const bin = `${top}/bin`
    mkdirSync(bin)
    writeFileSync(`${bin}/consul`, '#!/bin/sh\necho "Config validation failed: no"\nexit 1\n', { mode: 0o755 })
    const directory = consulDir()
    const line =
      /^configure: permanent: cannot use this configuration: consul validate says: Config validation failed: no/
    await refused(100, line, [definition, ...common, '--consul-dir', directory], { PATH: `${bin}:/usr/bin:/bin` })
    assert.deepEqual(readdirSync(directory), [])
  })
})
