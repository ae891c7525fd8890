/** Whoever should not see or change anything: what happens to each attempt, against a page on a socket of its own. */
import assert from 'node:assert/strict'
import { readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { Hono } from 'hono'
import { bootId } from '../../lib/base/clock.ts'
import { pageApp } from '../../lib/page/app.ts'
import { Here } from '../../lib/page/here/here.ts'
import type { Listen } from '../../lib/page/listen.ts'
import { ownPower } from '../../lib/page/power.ts'
import { type Served, serve } from '../../lib/page/serve.ts'
import { makeDirectory, writeFact } from '../../lib/state/facts.ts'
import { instanceFiles } from '../../lib/state/paths.ts'
import { certificate } from '../access/certificates.ts'
import type { FakeConsul } from '../fixtures/consul.ts'
import { directory } from '../fixtures/state.ts'
import { until } from '../lab/until.ts'
import { assets, keys, secret, serviceIn } from './page.ts'

interface Stage {
  readonly fake: FakeConsul
  readonly served: Served
  readonly port: number
  readonly root: string
  /** Sends a request as it is given. */
  readonly send: (path: string, over?: Over) => Promise<Answer>
}

interface Over {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string
}

interface Answer {
  readonly status: number
  readonly headers: Record<string, unknown>
  readonly text: string
}

const bearer = { authorization: `Bearer ${secret}` }

async function stage(t: TestContext, listen: Listen = { kind: 'address', host: '127.0.0.1', port: 0 }): Promise<Stage> {
  const fake = await serviceIn(t)
  const root = directory(t)
  const power = ownPower(fake.consul.another(5000), secret)
  const served = await serve({
    ...{ listen, certificate: null, names: [], idle: null },
    app: (doorway, used) =>
      pageApp({
        ...{ power, here: new Here(root), assets, doorway, used, secretForAll: listen.kind === 'unix' ? secret : null },
        shows: { documents: true, logs: true },
      }),
  })
  t.after(async () => {
    served.stop()
    power.close()
    await served.over
  })
  const port = served.doorway.port ?? 0
  const socketPath = listen.kind === 'unix' ? listen.path : undefined
  const send = (path: string, { method = 'GET', headers = {}, body }: Over = {}) =>
    new Promise<Answer>((resolve, reject) => {
      const to = socketPath === undefined ? { host: '127.0.0.1', port } : { socketPath }
      const sent = httpRequest({ ...to, path, method, headers, agent: false }, response => {
        let text = ''
        response.setEncoding('utf8').on('data', chunk => {
          text += chunk
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }))
      })
      sent.on('error', reject)
      sent.end(body)
    })
  return { fake, served, port, root, send }
}

const drain = JSON.stringify({ act: 'drain', args: { service: 'svc', instance: 'a:svc' }, dryRun: false })
const json = { 'content-type': 'application/json' }

describe('the attack table', () => {
  it('rebinding: a name of the attacker’s that points here sees and changes nothing', async t => {
    const { send, fake, port } = await stage(t)
    const before = fake.requests.length
    for (const host of [`evil.example:${port}`, `evil.example`, `127.0.0.1:${port + 1}`]) {
      assert.equal((await send('/', { headers: { host, ...bearer } })).status, 421)
      assert.equal(
        (await send('/act', { method: 'POST', headers: { host, ...bearer, ...json }, body: drain })).status,
        421,
      )
    }
    assert.equal(fake.requests.length, before)
  })

  it('a POST of another site, even one that knows the secret, is refused; so is a form without it', async t => {
    const { send, fake } = await stage(t)
    for (const headers of [
      { ...bearer, ...json, origin: 'http://evil.example' },
      { ...bearer, ...json, origin: 'null' },
      { ...bearer, ...json, 'sec-fetch-site': 'cross-site' },
      { ...bearer, ...json, 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors' },
    ])
      assert.equal((await send('/act', { method: 'POST', headers, body: drain })).status, 403)
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    assert.equal((await send('/act', { method: 'POST', headers: form, body: 'act=drain' })).status, 400)
    assert.equal(
      (await send('/act', { method: 'POST', headers: { ...bearer, 'content-type': 'text/plain' }, body: drain }))
        .status,
      400,
    )
    assert.equal((await send('/act', { method: 'POST', headers: json, body: drain })).status, 401)
    assert.deepEqual((fake.memory.value(keys.settings) as { drained: string[] }).drained, [])
  })

  it('nothing changes by a GET, nor by another method', async t => {
    const { send, fake } = await stage(t)
    const before = JSON.stringify([...fake.memory.keys])
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH']) {
      const { status } = await send('/act?act=drain&service=svc&instance=a:svc', {
        method,
        headers: { ...bearer, ...json },
      })
      assert.ok([404, 405].includes(status), `${method}: ${status}`)
    }
    assert.equal(JSON.stringify([...fake.memory.keys]), before)
  })

  it('another local user without the secret sees nothing: not in a view, not in the page, not in the news', async t => {
    const { send, fake } = await stage(t)
    for (const path of [
      '/',
      '/service?service=svc',
      '/live',
      '/document?service=svc&partition=0',
      '/history?service=svc&instance=a:svc',
    ]) {
      for (const headers of [
        {},
        { authorization: 'Bearer guess' },
        { authorization: 'Bearer ' },
        { authorization: secret },
      ])
        assert.equal((await send(path, { headers: headers as Record<string, string> })).status, 401, path)
      assert.equal((await send(path, { headers: { 'watchbill-part': '1' } })).status, 401, path)
    }
    const page = await send('/service?service=svc', { headers: { accept: 'text/html' } })
    assert.ok(!/svc|secret-of/.test(page.text), 'the page itself holds no data, and no secret')
    assert.equal(fake.requests.length, 0)
  })

  it('a Unix socket lets nobody else in', async t => {
    const path = join(directory(t), 'page.sock')
    const { send } = await stage(t, { kind: 'unix', path })
    assert.equal(statSync(path).mode & 0o777, 0o600)
    const page = await send('/', { headers: { host: 'localhost:1', accept: 'text/html' } })
    assert.ok(page.text.includes(`content="${secret}"`), 'who may connect is who may see')
    assert.equal((await send('/', { headers: { host: 'evil.example', accept: 'text/html' } })).status, 421)
  })

  const nasty = '<img src=x onerror=alert(1)>"\'</script><script>alert(2)</script>\u202e'

  it('a script in an id, a document, a report, a title, a lock, a member or a log line stays text', async t => {
    const { send, fake, root } = await stage(t)
    const { memory } = fake
    memory.put(keys.partition(nasty), JSON.stringify({ from: 'hand', document: nasty }))
    memory.lock(
      keys.lock(nasty),
      'session of a',
      JSON.stringify({ instance: 'a:svc', acquisition: 'x', lease: 1000, grace: 1000, since: nasty, version: nasty }),
    )
    memory.put(keys.report('a:svc'), JSON.stringify({ 0: `failing: ${nasty}`, [nasty]: `crash-looping ${nasty}` }))
    const files = instanceFiles(root, 'a:svc')
    makeDirectory(files.partition(nasty).directory)
    writeFact(files.identity, `a:svc\nsvc\n${bootId()}`)
    writeFileSync(files.partition(nasty).output, `${nasty}\n\u001b[31mred\n`)
    const id = encodeURIComponent(nasty.toWellFormed())
    for (const path of [
      '/',
      '/service?service=svc',
      `/partition?service=svc&partition=${id}`,
      '/instance?service=svc&instance=a:svc',
      '/machine?node=a',
      '/plan?service=svc&drain=a',
      `/service?service=svc&filter=${id}`,
    ]) {
      const { text, status, headers } = await send(path, { headers: { ...bearer, 'watchbill-part': '1' } })
      assert.equal(status, 200, path)
      for (const raw of ['<img', '<script', '\u202e', '\u001b']) assert.ok(!text.includes(raw), `${path}: ${raw}`)
      assert.match(String(headers['content-security-policy']), /default-src 'none'; script-src 'self'/)
      for (const [, address = ''] of text.matchAll(/\s(?:href|src|action)="([^"]*)"/g))
        assert.match(address, /^\/(?!\/)/, path)
    }
    const document = await send(`/document?service=svc&partition=${id}`, { headers: bearer })
    assert.equal(JSON.parse(JSON.parse(document.text).document), nasty)
    assert.match(String(document.headers['content-type']), /^application\/json/)
    assert.equal(document.headers['x-content-type-options'], 'nosniff')
  })

  it('no path leads out of the state directory, and no link in it', async t => {
    const { send, root } = await stage(t)
    const files = instanceFiles(root, 'a:svc')
    makeDirectory(files.partition('0').directory)
    writeFact(files.identity, `a:svc\nsvc\n${bootId()}`)
    symlinkSync('/etc/passwd', files.partition('0').output)
    const { text } = await send('/partition?service=svc&partition=0', { headers: bearer })
    assert.deepEqual(JSON.parse(text).log.lines, [])
    for (const path of [
      '/../../etc/passwd',
      '/page-abc.js/../../../etc/passwd',
      '/%2e%2e/%2e%2e/etc/passwd',
      '/..%2f..%2fetc/passwd',
      '//etc/passwd',
    ])
      assert.equal((await send(path, { headers: bearer })).status, 404, path)
    for (const name of ['..', '../..', '../../etc', 'a/../b', '\0', 'a\nb']) {
      const id = encodeURIComponent(name)
      for (const path of [
        `/partition?service=svc&partition=${id}`,
        `/service?service=${id}`,
        `/history?service=svc&instance=${id}`,
        `/instance?service=svc&instance=${id}`,
        `/machine?node=${id}`,
      ]) {
        const { status, text } = await send(path, { headers: bearer })
        assert.equal(status, 404, `${path}: ${text}`)
        assert.ok(!/root:/.test(text))
      }
    }
  })

  it('huge bodies, addresses and heads are refused', async t => {
    const { send, port } = await stage(t)
    const post = { method: 'POST', headers: { ...bearer, ...json } }
    assert.equal((await send('/act', { ...post, body: `{"act":"${'x'.repeat(20_000)}"}` })).status, 413)
    assert.equal((await send(`/service?service=${'x'.repeat(5000)}`, { headers: bearer })).status, 400)
    assert.equal(
      (await raw(port, `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`)).slice(0, 12),
      '',
    )
    const chunked = `POST /act HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${secret}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${`4000\r\n${'z'.repeat(0x4000)}\r\n`.repeat(3)}0\r\n\r\n`
    assert.match(await raw(port, chunked), /^HTTP\/1\.1 413/)
  })

  it('what is no HTTP gets no answer', async t => {
    const { port } = await stage(t)
    assert.equal(await raw(port, 'SSH-2.0-x\r\n\r\n'), '')
    assert.equal(await raw(port, Buffer.alloc(100)), '')
  })

  it('a slow client is cut off, and 1,000 connections do not keep others out once they are', async t => {
    const { port, send } = await stage(t)
    let [begun, gone] = [0, 0]
    const slow = Array.from({ length: 1000 }, () => {
      const socket = connect(port, '127.0.0.1', () => {
        begun++
        socket.write('GET / HTTP/1.1\r\nHost: ')
      })
      return socket.on('error', () => {}).on('close', () => gone++)
    })
    t.after(() => {
      for (const socket of slow) socket.destroy()
    })
    await until('all to be there', async see => see(begun) === 1000)
    await until('most to be refused at once', async see => see(gone) >= 1000 - 256, { deadline: 3000 })
    assert.ok(gone < 1000, 'some are waited for')
    await until('the slow ones to be cut off', async see => see(gone) === 1000)
    assert.equal((await send('/', { headers: bearer })).status, 200)
  })

  it('the secret is in no answer, redirect or cookie, and nothing says it to other sites', async t => {
    const { send } = await stage(t)
    for (const path of ['/', '/service?service=svc', '/openapi.json', '/nothing']) {
      const { text, headers } = await send(path, { headers: { ...bearer, accept: 'text/html, application/json' } })
      assert.ok(!text.includes(secret) && !JSON.stringify(headers).includes(secret), path)
      assert.equal(headers['set-cookie'], undefined)
      assert.equal(headers['referrer-policy'], 'no-referrer')
      assert.equal(headers['cache-control'], 'no-store')
      assert.equal(headers['access-control-allow-origin'], undefined)
    }
  })

  it('over a network only TLS is spoken, and only to the names that it was given', async t => {
    const folder = directory(t)
    const made = await certificate(folder, 'ca')
    const [cert, key] = [made.cert, made.key].map(file => readFileSync(file, 'utf8')) as [string, string]
    const options = {
      listen: { kind: 'address', host: '127.0.0.1', port: 0 },
      names: ['node1.example'],
      idle: null,
    } as const
    const served = await serve({
      ...options,
      certificate: { cert, key },
      app: () => new Hono().get('/', c => c.text('it')),
    })
    t.after(() => served.stop())
    assert.match(served.url, /^https:/)
    assert.deepEqual([served.doorway.secure, served.doorway.hosts.includes('node1.example')], [true, true])
    const port = served.doorway.port as number
    assert.equal(await raw(port, `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`), '', 'plain HTTP is none')
    const text = await new Promise<string>((resolve, reject) => {
      const sent = httpsRequest({
        host: '127.0.0.1',
        port,
        ca: cert,
        servername: 'ca',
        checkServerIdentity: () => undefined,
        agent: false,
      })
      sent
        .on('response', answer => answer.setEncoding('utf8').on('data', resolve))
        .on('error', reject)
        .end()
    })
    assert.equal(text, 'it')
    await assert.rejects(
      serve({
        ...options,
        listen: { kind: 'address', host: '0.0.0.0', port: 0 },
        certificate: null,
        app: () => new Hono(),
      }),
      /cannot listen on 0.0.0.0 without TLS/,
    )
  })

  it('a bug says nothing of what it was about', async t => {
    const { send, fake } = await stage(t)
    fake.script = () => ({ text: { secret } })
    const { text } = await send('/service?service=svc', { headers: bearer })
    assert.ok(!text.includes(secret))
  })
})

/** Sends bytes; what comes back until the connection is closed. */
function raw(port: number, bytes: string | Buffer): Promise<string> {
  return new Promise(resolve => {
    let text = ''
    const socket: Socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    socket.setTimeout(3000, () => socket.destroy())
    socket.on('data', chunk => {
      text += chunk
      socket.end()
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(text))
  })
}
