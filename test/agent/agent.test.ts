/** `watchbill agent`, and real Consuls: what is started here is Consul itself, by its pid. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync, readlinkSync, realpathSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { certificate } from '../access/certificates.ts'
import { folder, root, run } from '../configure/run.ts'
import { consulBinary } from '../lab/consul.ts'
import { freePorts } from '../lab/ports.ts'
import { until } from '../lab/until.ts'

const bin = join(root, 'handlers/watchbill.js')
const key = 'cGdLdUhWc3lWc0tTQUJDRA=='

let consul: string
before(async () => {
  consul = await consulBinary()
})

describe('watchbill agent', () => {
  const machines: Machine[] = []
  after(() => Promise.all(machines.map(machine => machine.end('SIGKILL'))))

  /** A machine without a Consul, and the ports that it would have there. */
  class Machine {
    readonly home = folder()
    readonly name: string
    readonly #ports: Promise<number[]> = freePorts(4)
    child: ChildProcess | null = null
    said = ''

    constructor(name: string) {
      this.name = name
      machines.push(this)
    }

    async address(): Promise<string> {
      return `127.0.0.1:${(await this.#ports)[0]}`
    }

    async serf(): Promise<string> {
      return `127.0.0.1:${(await this.#ports)[2]}`
    }

    async args(...more: string[]): Promise<string[]> {
      const [http, server, serf_lan, serf_wan] = await this.#ports
      const ports = { http, server, serf_lan, serf_wan, dns: -1, https: -1, grpc: -1 }
      const file = join(this.home, 'ports.json')
      const encrypt = join(this.home, 'gossip')
      writeFileSync(file, JSON.stringify({ ports, performance: { raft_multiplier: 1 }, retry_interval: '250ms' }))
      writeFileSync(encrypt, `${key}\n`)
      const places = ['--data-dir', join(this.home, 'data'), '--consul-dir', join(this.home, 'consul.d')]
      return ['agent', ...places, '--config', file, '--encrypt-file', encrypt, '--bind', '127.0.0.1', ...more]
    }

    /** As a supervisor does. */
    async start(...more: string[]): Promise<void> {
      const args = [bin, ...(await this.args('--node', this.name, '--log-level', 'warn', ...more))]
      const env = { PATH: process.env.PATH, CONSUL_BIN: consul }
      this.child = spawn(process.execPath, args, { cwd: '/', env, stdio: ['ignore', 'pipe', 'inherit'] })
      this.child.stdout?.on('data', chunk => {
        this.said += chunk
      })
    }

    async end(signal: NodeJS.Signals): Promise<void> {
      this.child?.kill(signal)
      await until(`${this.name} to end`, () => this.child === null || this.exit() !== null)
    }

    exit() {
      return this.child?.exitCode ?? this.child?.signalCode ?? null
    }

    async status(wait: string) {
      return run(process.execPath, [bin, 'status', '--wait', wait, '--http-addr', await this.address()])
    }
  }

  const first = new Machine('first')
  const second = new Machine('second')

  it('is not ready before it is there, says status, in one line', async () => {
    const { code, stdout, stderr } = await first.status('1s')
    assert.deepEqual([code, stdout], [111, ''])
    assert.match(
      stderr,
      /^status: temporary: cannot wait longer than 1s: cannot reach Consul at \S+: .*ECONNREFUSED.*; see watchbill status$/,
    )
  })

  it('begins a cluster, as the very process that was started', async () => {
    const ready = first.status('30s')
    await first.start('--server', '--bootstrap')
    assert.deepEqual(await ready, { code: 0, stdout: 'watchbill keeps no service here yet', stderr: '' })
    const { pid } = first.child as ChildProcess
    assert.equal(readlinkSync(`/proc/${pid}/exe`), realpathSync(consul))
  })

  it('says what it runs, and no secret', async () => {
    const line = first.said.split('\n')[0] ?? ''
    assert.ok(
      line.startsWith(`${consul} agent -server -bootstrap-expect=1 -data-dir=${first.home}/data -node=first`),
      line,
    )
    const seen = readFileSync(`/proc/${first.child?.pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
    assert.equal(seen, line)
    assert.doesNotMatch(first.said, new RegExp(key))
    const file = join(first.home, 'data/watchbill-agent.json')
    assert.equal(JSON.parse(readFileSync(file, 'utf8')).encrypt, key)
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.equal(statSync(join(first.home, 'data')).mode & 0o777, 0o700)
  })

  it('joins another', async () => {
    await second.start('--join', 'nobody.invalid', `--join=${await first.serf()}`)
    assert.equal((await second.status('30s')).code, 0)
    const members = await until('two members', async () => {
      const answer = await fetch(`http://${await first.address()}/v1/agent/members`)
      const list = (await answer.json()) as { Name: string; Status: number }[]
      return list.length === 2 && list
    })
    assert.deepEqual(members.map(({ Name }) => Name).sort(), ['first', 'second'])
  })

  it('has the settings that watchbill needs, and reads what configure writes', async () => {
    writeFileSync(join(second.home, 'consul.d/one.json'), JSON.stringify({ service: { name: 'one' } }))
    second.child?.kill('SIGHUP')
    const self = await (await fetch(`http://${await second.address()}/v1/agent/self`)).json()
    const { DebugConfig: now } = self as { DebugConfig: Record<string, unknown> }
    assert.deepEqual([now.EnableLocalScriptChecks, now.LeaveOnTerm, now.SkipLeaveOnInt], [true, false, true])
    await until('the service', async () => {
      const services = await (await fetch(`http://${await second.address()}/v1/agent/services`)).json()
      return 'one' in (services as object)
    })
  })

  it('ends as Consul does', async () => {
    await second.end('SIGTERM')
    assert.equal(second.exit(), 1, "Consul's own exit code when it is not to leave")
  })

  it('verifies in one direction alone: a client with nothing but the authority is served', async () => {
    const tls = folder()
    const authority = await certificate(tls, 'authority')
    const { cert, key } = await certificate(tls, 'server', authority, 'server.dc1.consul')
    const [server, client] = [new Machine('tls-server'), new Machine('tls-client')]
    const trust = ['--ca-file', authority.cert, '--verify', 'outgoing']
    await server.start('--server', '--bootstrap', ...trust, '--cert-file', cert, '--key-file', key)
    await client.start('--join', await server.serf(), ...trust)
    assert.equal((await client.status('30s')).code, 0)
    const self = await (await fetch(`http://${await client.address()}/v1/agent/self`)).json()
    const { DebugConfig: now } = self as { DebugConfig: Record<string, unknown> }
    assert.deepEqual([now.VerifyOutgoing, now.VerifyIncoming, now.VerifyServerHostname], [true, false, true])
    await Promise.all([client.end('SIGKILL'), server.end('SIGKILL')])
  })

  it('changes nothing with --dry-run', async () => {
    const machine = new Machine('dry')
    const { code, stdout } = await run(process.execPath, [bin, ...(await machine.args('--dry-run'))], {
      CONSUL_BIN: consul,
    })
    assert.equal(code, 0)
    assert.match(stdout, /^\S*consul agent -data-dir=/)
    assert.equal(existsSync(join(machine.home, 'data')), false)
    assert.equal(existsSync(join(machine.home, 'consul.d')), false)
  })

  it('refuses what cannot be Consul, a key that is none, a configuration that is not there', async () => {
    const machine = new Machine('wrong')
    const garbage = join(machine.home, 'garbage')
    writeFileSync(garbage, 'secret?')
    const cases: [string[], RegExp][] = [
      [
        ['--verify', 'ingoing'],
        /Invalid value for argument: --verify \(ingoing\)\. Expected one of: incoming, outgoing, both/,
      ],
      [['--consul', garbage], /^agent: permanent: cannot use --consul .*: it is not a program; give Consul's path$/],
      [['--consul', '/bin/echo'], /^agent: permanent: cannot use \/bin\/echo: it is no Consul of 1.7 or later; /],
      [['--encrypt-file', garbage], /^agent: permanent: cannot use .*garbage: it holds no gossip key; /],
      [['--config', `${garbage}.none`], /^agent: permanent: cannot read .*garbage.none: /],
      [['--bootstrap'], /^agent: permanent: cannot read the arguments: --bootstrap is for a --server; see --help$/],
    ]
    for (const [args, line] of cases) {
      const { code, stderr } = await run(process.execPath, [bin, ...(await machine.args(...args))], {
        CONSUL_BIN: consul,
      })
      assert.equal(code, 100)
      assert.match(stderr, line)
      assert.doesNotMatch(stderr, /secret/)
    }
    assert.equal(existsSync(join(machine.home, 'data')), false)
  })
})
