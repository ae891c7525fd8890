/** How programs reach the agent: TLS with client certificates, a unix socket; as an operator, and as Consul runs them. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { settled, stage } from '../cluster/stage.ts'
import { runProgram } from '../handlers/support/programs.ts'
import type { Agent, Cluster } from '../lab/cluster.ts'
import { startCluster } from '../lab/cluster.ts'
import { install } from '../lab/install.ts'
import { freePorts } from '../lab/ports.ts'
import { type Certificate, certificate } from './certificates.ts'

const name = 'server.lab.consul'
const folder = mkdtempSync(join(tmpdir(), 'watchbill-tls-'))
const socket = join(folder, 'http.sock')

let cluster: Cluster
let agent: Agent
let https: string
let authority: Certificate
let client: Certificate
/** What an operator gives the agent, and has: the certificate's only name is not the address. */
let tls: Record<string, string>

before(async () => {
  authority = await certificate(folder, 'authority')
  const server = await certificate(folder, 'server', authority, name)
  client = await certificate(folder, 'client', authority)
  const [port] = await freePorts(1)
  https = `127.0.0.1:${port}`
  tls = {
    CONSUL_HTTP_SSL: 'true',
    CONSUL_CACERT: authority.cert,
    CONSUL_CLIENT_CERT: client.cert,
    CONSUL_CLIENT_KEY: client.key,
    CONSUL_TLS_SERVER_NAME: name,
  }
  const settings = {
    verify_incoming: true,
    verify_outgoing: true,
    ...{ ca_file: authority.cert, cert_file: server.cert, key_file: server.key },
    ports: { https: port },
    addresses: { http: `127.0.0.1 unix://${socket}` },
  }
  cluster = await startCluster({ clients: 0, settings, env: tls })
  agent = cluster.agents[0] as Agent
})

after(async () => {
  await cluster?.close()
  rmSync(folder, { recursive: true, force: true })
})

const status = (address: string, env: Record<string, string>) =>
  runProgram('status', { args: ['--http-addr', address], env })

describe('TLS', () => {
  it('with a client certificate, by CONSUL_HTTP_SSL or by the address', async () => {
    assert.equal((await status(https, tls)).code, 0)
    const { CONSUL_HTTP_SSL, ...rest } = tls
    assert.equal((await status(`https://${https}`, rest)).code, 0)
    assert.equal(CONSUL_HTTP_SSL, 'true')
  })

  const bad: [string, () => Record<string, string>, number, RegExp][] = [
    [
      'no client certificate',
      () => ({ CONSUL_CLIENT_CERT: '', CONSUL_CLIENT_KEY: '' }),
      111,
      /cannot reach Consul at https:\S+: it wants a certificate of its clients; set CONSUL_CLIENT_CERT and CONSUL_CLIENT_KEY$/,
    ],
    [
      'no authority',
      () => ({ CONSUL_CACERT: '' }),
      111,
      /cannot reach Consul at https:\S+: its certificate cannot be verified \(.*\); set CONSUL_CACERT to the file of the authority that signed it$/,
    ],
    [
      'another server’s name',
      () => ({ CONSUL_TLS_SERVER_NAME: 'other.consul' }),
      111,
      /cannot reach Consul at https:.*other\.consul.*; set CONSUL_TLS_SERVER_NAME to the name in its certificate$/,
    ],
    [
      'the address for a name',
      () => ({ CONSUL_TLS_SERVER_NAME: '' }),
      111,
      /cannot reach Consul at https:.*; set CONSUL_TLS_SERVER_NAME to the name in its certificate$/,
    ],
    [
      'a key that is none',
      () => ({ CONSUL_CLIENT_KEY: authority.cert }),
      111,
      /cannot reach Consul at https:\S+: .*; see that CONSUL_CACERT, CONSUL_CLIENT_CERT and CONSUL_CLIENT_KEY name PEM files that belong together$/,
    ],
    ['a key that is not there', () => ({ CONSUL_CLIENT_KEY: '/nonexistent' }), 100, /named by CONSUL_CLIENT_KEY/],
  ]
  for (const [what, change, code, line] of bad) {
    it(`with ${what} is one line`, async () => {
      const ended = await status(https, { ...tls, ...change() })
      assert.deepEqual(
        [ended.code, ended.stdout, ended.stderr.trimEnd().split('\n').length],
        [code, '', 1],
        ended.stderr,
      )
      assert.match(ended.stderr.trimEnd(), line)
      assert.doesNotMatch(ended.stderr, /SSL routines|openssl|is it up/)
    })
  }

  it('and none where the other is spoken is one line that says so', async () => {
    const plain = await status(https, {})
    assert.match(
      plain.stderr,
      /^status: temporary: cannot reach Consul at http:\S+: it speaks TLS there; use https:\/\/\S+, or set CONSUL_HTTP_SSL=true\n$/,
    )
    const secure = await status(agent.http.replace('http:', 'https:'), tls)
    assert.match(
      secure.stderr,
      /^status: temporary: cannot reach Consul at https:\S+: it speaks no TLS there; use http:\/\/\S+, or unset CONSUL_HTTP_SSL\n$/,
    )
  })

  it('with a certificate of another authority is refused by the agent', async () => {
    const other = await certificate(folder, 'other')
    const stranger = await certificate(folder, 'stranger', other)
    const ended = await status(https, { ...tls, CONSUL_CLIENT_CERT: stranger.cert, CONSUL_CLIENT_KEY: stranger.key })
    assert.equal(ended.code, 111)
    assert.match(
      ended.stderr,
      /^status: temporary: cannot reach Consul at https:\S+: it refuses our certificate; see that CONSUL_CLIENT_CERT is signed by its authority\n$/,
    )
  })

  it('is what the handlers use that Consul starts, by the agent’s environment', async () => {
    const work = stage(cluster, 'tls', 'beating', { partitions: { range: [0, 1] } })
    await install(agent, work.definition, '--http-addr', https)
    await settled(work, [agent])
  })

  it('needs what configure names', async () => {
    const work = stage(cluster, 'named', 'beating', { partitions: { range: [0, 1] } })
    const file = join(agent.etc, 'named.json')
    await install(agent, work.definition)
    const args = [file, '--dry-run', '--consul-dir', agent.configDir, '--http-addr', https, '--home', folder]
    const { stdout } = await runProgram('configure', { args: [...args, '--node-binary', process.execPath], env: tls })
    assert.match(
      stdout,
      /needs in its environment, for the handlers that it runs: CONSUL_HTTP_SSL, CONSUL_CACERT, CONSUL_CLIENT_CERT, CONSUL_CLIENT_KEY, CONSUL_TLS_SERVER_NAME/,
    )
  })
})

describe('a unix socket', () => {
  it('serves programs and handlers', async () => {
    const work = stage(cluster, 'socket', 'beating', { partitions: { range: [0, 1] } })
    await install(agent, work.definition, '--http-addr', `unix://${socket}`)
    await settled(work, [agent])
    const { code, stdout } = await status(`unix://${socket}`, {})
    assert.equal(code, 0)
    assert.match(stdout, /^socket: 2 partitions/m)
  })

  it('that is not there, or may not be used, is one line', async () => {
    for (const path of [`${folder}/missing.sock`, `${folder}/authority.pem`]) {
      const { code, stderr } = await status(`unix://${path}`, {})
      assert.equal(code, 111)
      assert.match(stderr, new RegExp(`^status: temporary: cannot reach Consul at ${path}: [^\\n]*\\n$`))
    }
  })
})

describe('a token file', () => {
  it('that may not be read, holds nothing, or more than a token, is one line', async () => {
    const file = join(folder, 'token')
    const run = (token: string) => runProgram('status', { args: ['--http-addr', agent.http, '--token-file', token] })
    for (const token of [file, folder, '/dev/null', authority.cert]) {
      const { code, stderr } = await run(token)
      assert.equal(code, 100)
      assert.match(stderr, /^status: permanent: cannot (read|use the token in) [^\n]*\n$/)
    }
  })
})
