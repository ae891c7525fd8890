import assert from 'node:assert/strict'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, it, type TestContext } from 'node:test'
import { Temporary } from '../../lib/base/errors.ts'
import type { Source, SourceFrom } from '../../lib/definition/definition.ts'
import { processOf } from '../../lib/machine/identity.ts'
import { fetchSource } from '../../lib/sources/fetch/fetch.ts'
import { certificate } from '../access/certificates.ts'
import { directory } from '../fixtures/state.ts'
import { until } from '../lab/until.ts'

const shape = { format: 'json', items: '', id: '/id', everyMs: 1000, jitterMs: 0, retryMs: 100 } as const
const environment = { PATH: process.env.PATH ?? '', WATCHBILL_SERVICE: 'svc' }

function fetched(from: SourceFrom, { validator = null as string | null, timeoutMs = 5000 } = {}) {
  const source: Source = { from, ...shape, timeoutMs, giveUpAfterMs: 0, maxDrop: 0.5 }
  return fetchSource(source, { validator, cwd: '/', environment })
}

/** It fails with one line that says why. */
async function fails(from: SourceFrom, why: RegExp, options = {}): Promise<void> {
  const error = await fetched(from, options).catch(thrown => thrown)
  assert.ok(error instanceof Temporary, String(error))
  assert.match(error.message, /^cannot fetch the partitions from \S+: [^\n]*; mend it: it is tried again$/)
  assert.match(error.message, why)
}

describe('a file', () => {
  it('is read when it changed, and only then', async t => {
    const path = join(directory(t), 'set.json')
    writeFileSync(path, '["a"]')
    const first = await fetched({ kind: 'file', path })
    assert.equal(first?.text, '["a"]')
    const { validator } = first
    assert.equal(await fetched({ kind: 'file', path }, { validator }), null)
    writeFileSync(`${path}.new`, '["b"]')
    renameSync(`${path}.new`, path)
    assert.equal((await fetched({ kind: 'file', path }, { validator }))?.text, '["b"]')
  })

  it('that is none, or not there, or not UTF-8, says so', async t => {
    const path = directory(t)
    await fails({ kind: 'file', path }, /it is no file/)
    await fails({ kind: 'file', path: `${path}/none` }, /ENOENT/)
    writeFileSync(`${path}/latin`, Buffer.from([0x5b, 0x22, 0xe9, 0x22, 0x5d]))
    await fails({ kind: 'file', path: `${path}/latin` }, /it is not UTF-8/)
  })
})

type Answer = (request: IncomingMessage, response: ServerResponse) => unknown

async function server(t: TestContext, answer: Answer) {
  const listening = createServer(answer)
  await new Promise<void>(resolve => listening.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    listening.closeAllConnections()
    listening.close()
  })
  return `http://127.0.0.1:${(listening.address() as AddressInfo).port}`
}

const tls = { ca: null, cert: null, key: null, serverName: null }
const http = (url: string, over: Partial<Extract<SourceFrom, { kind: 'http' }>> = {}): SourceFrom => ({
  ...{ kind: 'http', url, method: 'GET', headers: {}, body: null, tls },
  ...over,
})

describe('a server', () => {
  it('is asked as the definition says, with a secret from its file', async t => {
    const secret = join(directory(t), 'secret')
    writeFileSync(secret, 'Bearer x\n')
    const url = await server(t, async (request, response) => {
      const { method, url, headers } = request
      response.end(JSON.stringify([method, url, headers.authorization, headers['x-from'], await text(request)]))
    })
    const headers = { authorization: { file: secret }, 'x-from': 'me' }
    const answer = await fetched(http(`${url}/a?b=c`, { method: 'POST', body: '{}', headers }))
    assert.equal(answer?.text, '["POST","/a?b=c","Bearer x","me","{}"]')
    assert.equal(answer.validator, null)
  })

  it('is asked whether its last answer still holds, by ETag and Last-Modified', async t => {
    const asked: (string | undefined)[][] = []
    let etag = '"1"'
    const modified = 'Wed, 25 Nov 2026 00:00:00 GMT'
    const url = await server(t, ({ headers }, response) => {
      asked.push([headers['if-none-match'], headers['if-modified-since']])
      response.setHeader('etag', etag).setHeader('last-modified', modified)
      if (headers['if-none-match'] === etag) response.writeHead(304).end()
      else response.end('[]')
    })
    const first = await fetched(http(url))
    const validator = first?.validator ?? null
    assert.equal(await fetched(http(url), { validator }), null)
    etag = '"2"'
    assert.equal((await fetched(http(url), { validator }))?.text, '[]')
    assert.deepEqual(asked, [
      [undefined, undefined],
      ['"1"', modified],
      ['"1"', modified],
    ])
  })

  const bad: [string, Answer, RegExp][] = [
    ['answers 500', (_, response) => response.writeHead(500).end('[]'), /status 500/],
    ['answers 304 without being asked', (_, response) => response.writeHead(304).end(), /status 304/],
    [
      'redirects to another URL',
      (_, response) => response.writeHead(302, { location: '/x' }).end(),
      /redirects to another URL \(status 302\)/,
    ],
    ['hangs up', request => request.socket.destroy(), /other side closed|ECONNRESET/],
    [
      'hangs up in the middle',
      (request, response) =>
        response.writeHead(200, { 'content-length': '9' }).write('[', () => request.socket.destroy()),
      /other side closed|terminated|aborted/,
    ],
    ['never answers', () => {}, /no end within 0\.3 s/],
    ['never ends', (_, response) => response.write('['), /no end within 0\.3 s/],
  ]
  for (const [what, answer, why] of bad) {
    it(`that ${what} has failed`, async t => {
      await fails(http(`${await server(t, answer)}/list?token=secret`), why, { timeoutMs: 300 })
    })
  }

  it('that is not there has failed, and its line holds no query', async () => {
    await fails(http('http://127.0.0.1:1/list?token=secret'), /^(?!.*secret).*ECONNREFUSED/)
  })

  it('is trusted by the authority that the definition names, and by that alone', async t => {
    const folder = directory(t)
    const ca = await certificate(folder, 'ca')
    const { cert, key } = await certificate(folder, 'server', ca, 'links.test')
    const options = { cert: readFileSync(cert), key: readFileSync(key), ca: readFileSync(ca.cert), requestCert: true }
    const secure = createSecureServer(options, (_, response) => response.end('["a"]'))
    await new Promise<void>(resolve => secure.listen(0, '127.0.0.1', resolve))
    t.after(() => secure.close())
    const url = `https://127.0.0.1:${(secure.address() as AddressInfo).port}`
    const own = await certificate(folder, 'client', ca)
    const trusting = { ca: ca.cert, ...own, serverName: 'links.test' }
    assert.equal((await fetched(http(url, { tls: trusting })))?.text, '["a"]')
    await fails(http(url), /self-signed|unable to/)
    await fails(http(url, { tls: { ...trusting, serverName: 'other.test' } }), /does not match/)
    await fails(
      http(url, { tls: { ...trusting, cert: null, key: null } }),
      /ECONNRESET|certificate required|alert|other side closed/,
    )
  })

  it('whose secret cannot be read is not asked', async t => {
    const url = await server(t, (_, response) => response.end('[]'))
    await fails(http(url, { headers: { authorization: { file: '/none' } } }), /ENOENT.*\/none/)
  })
})

const sh = (script: string, ...args: string[]): SourceFrom => ({
  kind: 'command',
  command: ['sh', '-c', script, 'sh', ...args],
})

describe('a program', () => {
  it('answers with what it prints; there is no shell, and no environment but what it is given', async () => {
    const answer = await fetched(sh('printf "%s %s %s" "$1" "$WATCHBILL_SERVICE" "$CONSUL_HTTP_TOKEN"', '$(id) *'))
    assert.equal(answer?.text, '$(id) * svc ')
  })

  it('that fails says why by the last line on stderr', async () => {
    await fails(sh('echo "[]"; echo first >&2; echo "no database" >&2; exit 3'), /sh: exit 3: no database;/)
    await fails({ kind: 'command', command: ['/none/such'] }, /\/none\/such: exit 127: /)
    await fails(sh('kill -SEGV $$'), /ended by SIGSEGV/)
  })

  it('that hangs is ended in time, with all that it started', async t => {
    const file = join(directory(t), 'pid')
    await fails(sh('sleep 60 & echo $! >"$1"; wait', file), /no end within 0\.3 s/, { timeoutMs: 300 })
    const pid = Number(readFileSync(file, 'utf8'))
    await until('its child to be gone', () => processOf(pid) === null)
  })

  it('that leaves its output open to another holds up nobody', async t => {
    const file = join(directory(t), 'pid')
    await fails(sh('setsid sh -c \'echo $$ >"$1"; exec sleep 60\' sh "$1" & sleep 60', file), /no end within 0\.3 s/, {
      timeoutMs: 300,
    })
    process.kill(Number(readFileSync(file, 'utf8')), 'SIGKILL')
  })
})

describe('a module', () => {
  function module(t: TestContext, text: string, name = 'source.ts'): SourceFrom {
    const path = join(directory(t), name)
    writeFileSync(path, text)
    return { kind: 'module', path }
  }

  it('in TypeScript is set up, asked, and torn down, and may print what it likes', async t => {
    const trace = join(directory(t), 'trace')
    const from = module(
      t,
      `import { appendFileSync } from 'node:fs'
       const trace = (line: string): void => appendFileSync(${JSON.stringify(trace)}, line)
       export async function setup() { trace('setup '); return { link: 'a' } }
       export async function fetch({ link }: { link: string }) { console.log('[not this]'); trace('fetch '); return [{ id: link }] }
       export async function tearDown({ link }: { link: string }) { trace('tearDown ' + link) }
       setInterval(() => {}, 1000)`,
    )
    assert.equal((await fetched(from))?.text, '[{"id":"a"}]')
    assert.equal(readFileSync(trace, 'utf8'), 'setup fetch tearDown a')
  })

  it('gets its configuration, in all three functions, and in no argument', async t => {
    const from = module(
      t,
      `import { readFileSync } from 'node:fs'
       export const setup = (config: { a: string[] }) => ({ seen: [JSON.stringify(config)] })
       export const fetch = (context: { seen: string[] }, config: { a: string[] }) =>
         [...context.seen, ...config.a, readFileSync('/proc/self/cmdline', 'latin1').includes('secret')].map(String)
       export const tearDown = (_: object, config: { a: string[] }) => { if (!config.a) throw new Error('none') }`,
    )
    const config = { a: ['secret', '{x}'] }
    const answer = await fetched({ ...from, config } as SourceFrom)
    assert.deepEqual(JSON.parse(answer?.text ?? ''), [JSON.stringify(config), 'secret', '{x}', 'false'])
    const none = await fetched(module(t, 'export const fetch = (_, config) => [JSON.stringify(config)]', 'b.mjs'))
    assert.equal(none?.text, '["{}"]')
  })

  it('may be CommonJS, and answer with much', async t => {
    const from = module(
      t,
      `module.exports = { fetch: () => Array.from({ length: 90000 }, (_, n) => 'link ' + n) }`,
      'a.cjs',
    )
    assert.equal(JSON.parse((await fetched(from))?.text ?? '').length, 90_000)
  })

  it('that throws, crashes, hangs, or is none has failed, and is torn down where it can be', async t => {
    const trace = join(directory(t), 'trace')
    const down = `export const tearDown = () => import('node:fs').then(fs => fs.writeFileSync(${JSON.stringify(trace)}, ''));`
    await fails(module(t, `${down} export function fetch() { throw new Error('no database') }`), /exit 1: no database;/)
    assert.ok(existsSync(trace))
    await fails(module(t, 'export function fetch() { process.abort() }'), /ended by SIGABRT/)
    await fails(module(t, 'export function fetch() { for (;;); }'), /no end within 1 s/, { timeoutMs: 1000 })
    await fails(module(t, 'export const list = []'), /exit 1: it exports no function fetch;/)
    await fails(module(t, 'export function fetch() {}'), /fetch returned nothing/)
    await fails({ kind: 'module', path: '/none.ts' }, /exit 1: Cannot find module '\/none\.ts'/)
  })
})
