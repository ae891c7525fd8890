/** A token or a certificate that was replaced in its file while a program runs. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { Consul } from '../../lib/consul/http.ts'
import { certificate } from '../access/certificates.ts'
import { directory } from '../fixtures/state.ts'

/** A Consul that knows one token, and what it was asked. */
async function guarded(t: TestContext, known: string) {
  const folder = directory(t)
  const file = join(folder, 'token')
  const asked: string[] = []
  const fake = { known, asked, file }
  const server = createServer((request, response) => {
    const token = String(request.headers['x-consul-token'])
    asked.push(token)
    response.writeHead(token === fake.known ? 200 : 403).end(token === fake.known ? '{}' : 'ACL not found')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  writeFileSync(file, `${known}\n`)
  const { port } = server.address() as AddressInfo
  const consul = new Consul({ env: { CONSUL_HTTP_ADDR: `127.0.0.1:${port}`, CONSUL_HTTP_TOKEN_FILE: file } })
  t.after(() => {
    consul.close()
    server.closeAllConnections()
    server.close()
  })
  const rotate = (token: string) => {
    writeFileSync(file, `${token}\n`)
    fake.known = token
  }
  return { consul, asked, file, rotate, fake }
}

describe('a token that was replaced in its file', () => {
  it('is read again when the old one is refused, and the request is sent once more', async t => {
    const { consul, asked, rotate } = await guarded(t, 'old')
    await consul.request('GET', '/v1/agent/self')
    rotate('new')
    await consul.request('GET', '/v1/agent/self')
    await consul.request('GET', '/v1/agent/self')
    assert.deepEqual(asked, ['old', 'old', 'new', 'new'])
  })

  it('counts for a second connection too, also when its file is away for a moment', async t => {
    const { consul, asked, file, rotate } = await guarded(t, 'old')
    rmSync(file)
    const other = consul.another(1000)
    t.after(() => other.close())
    await other.request('GET', '/v1/agent/self')
    rotate('new')
    await other.request('GET', '/v1/agent/self')
    assert.deepEqual(asked, ['old', 'old', 'new'])
  })

  it('is not asked for again and again when it is refused itself', async t => {
    const { consul, asked, fake, rotate } = await guarded(t, 'old')
    rotate('new')
    fake.known = 'none'
    await assert.rejects(consul.request('GET', '/v1/agent/self'), {
      name: 'Permanent',
      message: /does not know the tok/,
    })
    assert.deepEqual(asked, ['old', 'new'])
  })

  it('is not told from one that is refused while its file is the same', async t => {
    const { consul, asked, fake } = await guarded(t, 'old')
    fake.known = 'none'
    await assert.rejects(consul.request('GET', '/v1/agent/self'), { name: 'Permanent' })
    assert.deepEqual(asked, ['old'])
  })

  it('may come later while its file cannot be read', async t => {
    const { consul, file, fake, rotate } = await guarded(t, 'old')
    rmSync(file)
    fake.known = 'new'
    await assert.rejects(consul.request('GET', '/v1/agent/self'), { name: 'Temporary', message: /cannot read .*token/ })
    rotate('new')
    await consul.request('GET', '/v1/agent/self')
  })
})

it('certificates that were replaced in their files are read again, and count for the next request', async t => {
  const folder = directory(t)
  const file = join(folder, 'ca.pem')
  const answer = (_: IncomingMessage, response: ServerResponse) => response.end('{}')
  const authorities = await Promise.all(
    ['old', 'new'].map(async name => {
      mkdirSync(join(folder, name))
      const authority = await certificate(join(folder, name), 'authority')
      const { cert, key } = await certificate(join(folder, name), 'server', authority, 'server.lab.consul')
      return { text: readFileSync(authority.cert), cert: readFileSync(cert), key: readFileSync(key) }
    }),
  )
  const [before, after] = authorities as [(typeof authorities)[0], (typeof authorities)[0]]
  writeFileSync(file, before.text)
  const server = createSecureServer(before, answer)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const env = { CONSUL_CACERT: file, CONSUL_TLS_SERVER_NAME: 'server.lab.consul' }
  const consul = new Consul({ env: { ...env, CONSUL_HTTP_ADDR: `https://127.0.0.1:${port}` } })
  t.after(() => {
    consul.close()
    server.closeAllConnections()
    server.close()
  })
  await consul.request('GET', '/v1/agent/self')
  server.setSecureContext(after)
  server.closeAllConnections()
  // The first connection that fails may be the one that was kept.
  for (let n = 0; n < 2; n++) {
    await assert.rejects(consul.request('GET', '/v1/agent/self'), { name: 'Temporary', message: /cannot reach Consul/ })
    if (n === 0) writeFileSync(file, after.text)
  }
  await consul.request('GET', '/v1/agent/self')
})
