import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import {
  allOf,
  argumentsFor,
  check,
  settingsFor,
  shown,
  type Tls,
  verifies,
  type Wishes,
  wantedSettings,
  withVerify,
} from '../../lib/setup/agent/command.ts'

const noTls: Tls = { ca: undefined, cert: undefined, key: undefined, verify: undefined }
const tls: Tls = { ca: '/ca.pem', cert: '/me.pem', key: '/me.key', verify: undefined }
const plain: Wishes = {
  server: false,
  bootstrap: false,
  join: [],
  dataDir: '/data',
  node: undefined,
  logLevel: undefined,
  bind: undefined,
  client: undefined,
  tls: noTls,
  encrypt: null,
  config: [],
}
const files = { wanted: '/data/wanted.json', needed: '/data/needed.json' }

describe("Consul's arguments", () => {
  it('are few when little is asked for', () => {
    assert.deepEqual(argumentsFor(plain, files), [
      ...['agent', '-data-dir=/data', '-config-file=/data/wanted.json', '-config-file=/data/needed.json'],
    ])
  })

  it('say everything that is asked for, and the needs last', () => {
    const all: Wishes = {
      ...plain,
      server: true,
      join: ['a', 'b:1'],
      node: 'n',
      logLevel: 'warn',
      bind: '10.0.0.1',
      client: '0.0.0.0',
      config: [
        { path: '/etc/consul.d', directory: true },
        { path: '/etc/more.hcl', directory: false },
      ],
    }
    assert.deepEqual(argumentsFor(all, files), [
      ...['agent', '-server', '-data-dir=/data', '-node=n', '-bind=10.0.0.1', '-client=0.0.0.0', '-log-level=warn'],
      ...['-retry-join=a', '-retry-join=b:1', '-config-file=/data/wanted.json'],
      ...['-config-dir=/etc/consul.d', '-config-file=/etc/more.hcl', '-config-file=/data/needed.json'],
    ])
  })

  it('begin a cluster with one server', () => {
    assert.ok(argumentsFor({ ...plain, server: true, bootstrap: true }, files).includes('-bootstrap-expect=1'))
  })

  it('never hold the gossip key', () => {
    assert.doesNotMatch(argumentsFor({ ...plain, encrypt: 'c2VjcmV0' }, files).join(' '), /c2VjcmV0/)
  })
})

describe('the settings in a file', () => {
  const shipped = JSON.parse(readFileSync(new URL('../../consul.d/watchbill.json', import.meta.url), 'utf8'))
  const { limits: _, ...needs } = shipped

  it('are those of consul.d/watchbill.json', () => {
    const { retry_interval, ...wanted } = wantedSettings
    assert.deepEqual({ ...settingsFor(plain, [1, 8]), ...wanted }, shipped)
    assert.equal(shipped.limits.http_max_conns_per_client, 1000)
  })

  it('have a server that is not up yet tried again soon', () => {
    assert.equal(wantedSettings.retry_interval, '2s')
  })

  it('hold the gossip key', () => {
    assert.deepEqual(settingsFor({ ...plain, encrypt: 'key' }, [1, 8]), { ...needs, encrypt: 'key' })
  })

  const files = { ca_file: '/ca.pem', cert_file: '/me.pem', key_file: '/me.key' }
  const both = { ...files, verify_incoming: true, verify_outgoing: true }
  const servers = { verify_server_hostname: true }
  const cases: [Partial<Tls>, [number, number], object][] = [
    [{}, [1, 11], files],
    [{}, [1, 12], { tls: { defaults: files, internal_rpc: {} } }],
    [{ verify: 'both' }, [1, 8], { ...both, ...servers }],
    [{ verify: 'both' }, [2, 0], { tls: { defaults: both, internal_rpc: servers } }],
    [{ verify: 'incoming' }, [1, 8], { ...files, verify_incoming: true }],
    [{ verify: 'incoming' }, [1, 12], { tls: { defaults: { ...files, verify_incoming: true }, internal_rpc: {} } }],
    [{ verify: 'outgoing' }, [1, 8], { ...files, verify_outgoing: true, ...servers }],
    [
      { verify: 'outgoing' },
      [1, 22],
      { tls: { defaults: { ...files, verify_outgoing: true }, internal_rpc: servers } },
    ],
  ]
  for (const [more, version, expected] of cases) {
    it(`hold TLS as Consul ${version.join('.')} reads it${more.verify ? `, verified: ${more.verify}` : ''}`, () => {
      assert.deepEqual(settingsFor({ ...plain, tls: { ...tls, ...more } }, version), { ...needs, ...expected })
    })
  }
})

describe('wishes', () => {
  const wrong: [string, Partial<Wishes>, RegExp][] = [
    ['a client that begins a cluster', { bootstrap: true }, /--bootstrap is for a --server/],
    ['beginning and joining at once', { server: true, bootstrap: true, join: ['a'] }, /--join goes into one/],
    ['a certificate without its key', { tls: { ...tls, key: undefined } }, /go together/],
    ['a key without its certificate', { tls: { ...tls, cert: undefined } }, /go together/],
    ...(['incoming', 'outgoing', 'both'] as const).map((verify): [string, Partial<Wishes>, RegExp] => [
      `--verify ${verify} without an authority`,
      { tls: { ...tls, ca: undefined, verify } },
      new RegExp(`--verify ${verify} needs --ca-file`),
    ]),
    ...(['incoming', 'both'] as const).map((verify): [string, Partial<Wishes>, RegExp] => [
      `--verify ${verify} without a certificate`,
      { tls: { ...noTls, ca: '/ca.pem', verify } },
      new RegExp(`--verify ${verify} needs --ca-file, --cert-file and --key-file`),
    ]),
  ]
  for (const [what, over, about] of wrong) {
    it(`are refused for ${what}`, () => {
      assert.throws(() => check({ ...plain, ...over }), { name: 'Permanent', message: about })
    })
  }

  it('are granted otherwise', () => {
    const verified: Tls[] = [
      ...verifies.map(verify => ({ ...tls, verify })),
      { ...noTls, ca: '/ca.pem', verify: 'outgoing' },
    ]
    for (const over of [{}, { server: true, bootstrap: true }, { join: ['a'] }, ...verified.map(tls => ({ tls }))])
      check({ ...plain, ...over })
  })
})

it('an option that is repeated keeps all its values', () => {
  const argv = ['--join', 'a', '--joined=x', '--join=b, c,', '-j', 'd', '--join', 'e']
  assert.deepEqual(allOf('--join', argv), ['a', 'b', 'c', 'e'])
})

it('--verify without a value means both, as it always did', () => {
  const argv = (line: string) => withVerify(line.split(' ')).join(' ')
  assert.equal(argv('node agent --verify'), 'node agent --verify=both')
  assert.equal(argv('node agent --verify --node x'), 'node agent --verify=both --node x')
  for (const line of ['--verify outgoing --node x', '--verify=incoming', '--node x']) assert.equal(argv(line), line)
})

it('a command line is shown as a shell would take it', () => {
  assert.equal(shown(['consul', '-node=a b', "it's", '']), `consul '-node=a b' 'it'\\''s' ''`)
})
