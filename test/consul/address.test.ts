import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { addressFrom } from '../../lib/consul/address.ts'
import { directory } from '../fixtures/state.ts'

describe('the address', () => {
  const origins: [string | undefined, string | undefined, string][] = [
    [undefined, undefined, 'http://127.0.0.1:8500'],
    ['', '', 'http://127.0.0.1:8500'],
    ['10.0.0.1:8501', undefined, 'http://10.0.0.1:8501'],
    ['consul.example', undefined, 'http://consul.example'],
    ['[::1]:8500', undefined, 'http://[::1]:8500'],
    ['10.0.0.1:8501', 'true', 'https://10.0.0.1:8501'],
    ['10.0.0.1:8501', '1', 'https://10.0.0.1:8501'],
    ['10.0.0.1:8501', 'T', 'https://10.0.0.1:8501'],
    ['10.0.0.1:8501', 'false', 'http://10.0.0.1:8501'],
    ['http://10.0.0.1:8501', 'true', 'http://10.0.0.1:8501'],
    ['https://10.0.0.1:8501/', undefined, 'https://10.0.0.1:8501'],
  ]
  for (const [CONSUL_HTTP_ADDR, CONSUL_HTTP_SSL, origin] of origins) {
    it(`of ${CONSUL_HTTP_ADDR ?? 'nothing'}${CONSUL_HTTP_SSL ? ` with CONSUL_HTTP_SSL=${CONSUL_HTTP_SSL}` : ''} is ${origin}`, () => {
      assert.deepEqual(addressFrom({ CONSUL_HTTP_ADDR, CONSUL_HTTP_SSL }), {
        origin,
        socketPath: null,
        token: null,
        auth: null,
        tls: {},
      })
    })
  }

  it('may be a unix socket', () => {
    assert.deepEqual(addressFrom({ CONSUL_HTTP_ADDR: 'unix:///run/consul.sock' }), {
      origin: 'http://localhost',
      socketPath: '/run/consul.sock',
      token: null,
      auth: null,
      tls: {},
    })
  })

  for (const address of [
    'ftp://10.0.0.1',
    'file:///etc/passwd',
    'http://',
    'a b',
    '10.0.0.1:99999',
    'javascript://x',
  ]) {
    it(`is not ${address}`, () => {
      assert.throws(() => addressFrom({ CONSUL_HTTP_ADDR: address }), {
        name: 'Permanent',
        message: /^cannot use CONSUL_HTTP_ADDR /,
      })
    })
  }
})

describe('an address with more than the origin', () => {
  const refused: [string, RegExp][] = [
    ['http://10.0.0.1:8500/consul', /it holds a path, and .*; give http:\/\/10\.0\.0\.1:8500 alone$/],
    ['10.0.0.1:8500/consul', /it holds a path, /],
    ['http://10.0.0.1:8500/?dc=other', /it holds a query, and .*; give http:\/\/10\.0\.0\.1:8500 alone$/],
    ['10.0.0.1:8500?dc=other', /it holds a query, /],
    ['http://10.0.0.1:8500#x', /it holds a fragment, /],
    ['https://me:secret@10.0.0.1:8501', /it holds a user or a password.*; put them into CONSUL_HTTP_AUTH, /],
    ['me:secret@10.0.0.1:8500', /it holds a user or a password/],
    ['me@10.0.0.1:8500', /it holds a user or a password/],
    ['https://me:secret@10.0.0.1:8501/secret?token=secret', /it holds a user or a password/],
  ]
  for (const [address, line] of refused) {
    it(`is refused: ${address}`, () => {
      assert.throws(
        () => addressFrom({ CONSUL_HTTP_ADDR: address }),
        ({ name, message }: Error) =>
          name === 'Permanent' && line.test(message) && !/secret|\n/.test(message) && /^cannot use CON/.test(message),
      )
    })
  }
})

describe('CONSUL_HTTP_AUTH', () => {
  const sent = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
  const cases: [string | undefined, string | null][] = [
    [undefined, null],
    ['', null],
    ['me:secret', sent('me:secret')],
    ['me:sec:ret', sent('me:sec:ret')],
    ['me', sent('me:')],
    ['märked:sécret', sent('märked:sécret')],
  ]
  for (const [given, header] of cases) {
    it(`${JSON.stringify(given)} is sent as ${header}`, () => {
      assert.equal(addressFrom({ CONSUL_HTTP_AUTH: given }).auth, header)
    })
  }
})

describe('the token', () => {
  it('comes from the environment, or from a file without its newline', t => {
    const file = join(directory(t), 'token')
    writeFileSync(file, 'from-a-file\n')
    assert.equal(addressFrom({ CONSUL_HTTP_TOKEN: 'given' }).token, 'given')
    assert.equal(addressFrom({ CONSUL_HTTP_TOKEN_FILE: file }).token, 'from-a-file')
    assert.equal(addressFrom({ CONSUL_HTTP_TOKEN: 'given', CONSUL_HTTP_TOKEN_FILE: file }).token, 'given')
  })

  it('is not left out when its file cannot be read', t => {
    const file = join(directory(t), 'missing')
    assert.throws(() => addressFrom({ CONSUL_HTTP_TOKEN_FILE: file }), {
      name: 'Permanent',
      message: new RegExp(`^cannot read ${file}, named by CONSUL_HTTP_TOKEN_FILE: `),
    })
  })
})

describe('a secret', () => {
  for (const text of ['', '\n', 'marked secret', 'marked\nsecret', 'märked']) {
    it(`is not ${JSON.stringify(text)}, and is not shown`, t => {
      const file = join(directory(t), 'token')
      writeFileSync(file, text)
      const wrong = (error: Error) => error.name === 'Permanent' && !/secret|m.rked/.test(error.message)
      assert.throws(() => addressFrom({ CONSUL_HTTP_TOKEN_FILE: file }), wrong)
      if (text) assert.throws(() => addressFrom({ CONSUL_HTTP_TOKEN: text }), wrong)
    })
  }

  for (const address of ['ftp://me:secret@host', 'http://?token=secret', 'https://me:secret@host:99999?token=secret']) {
    it(`in the address ${address} is not shown`, () => {
      assert.throws(
        () => addressFrom({ CONSUL_HTTP_ADDR: address }),
        ({ message }: Error) => !message.includes('secret'),
      )
    })
  }
})

describe('TLS', () => {
  it('takes its files and the name of the server', t => {
    const root = directory(t)
    for (const name of ['ca', 'cert', 'key']) writeFileSync(join(root, name), `${name} text\n`)
    const { tls } = addressFrom({
      CONSUL_CACERT: join(root, 'ca'),
      CONSUL_CLIENT_CERT: join(root, 'cert'),
      CONSUL_CLIENT_KEY: join(root, 'key'),
      CONSUL_TLS_SERVER_NAME: 'server.dc1.consul',
    })
    assert.deepEqual(tls, { ca: 'ca text', cert: 'cert text', key: 'key text', servername: 'server.dc1.consul' })
  })

  it('is verified unless the environment says otherwise', () => {
    for (const word of ['true', '1', '', 'no']) assert.deepEqual(addressFrom({ CONSUL_HTTP_SSL_VERIFY: word }).tls, {})
    for (const word of ['false', '0', 'F']) {
      assert.deepEqual(addressFrom({ CONSUL_HTTP_SSL_VERIFY: word }).tls, { rejectUnauthorized: false })
    }
  })

  for (const variable of ['CONSUL_CACERT', 'CONSUL_CLIENT_CERT', 'CONSUL_CLIENT_KEY']) {
    it(`is not weakened when the file of ${variable} cannot be read`, t => {
      assert.throws(() => addressFrom({ [variable]: directory(t) }), {
        name: 'Permanent',
        message: new RegExp(variable),
      })
    })
  }
})
