import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLoopback, type Knock, refusalOf } from '../../lib/page/door.ts'

const doorway = { hosts: ['127.0.0.1', 'localhost', '[::1]'], port: 8600, secure: false }
const knock: Knock = {
  ...{ method: 'GET', host: '127.0.0.1:8600', origin: undefined },
  ...{ site: undefined, mode: undefined, dest: undefined },
}
const navigation = { site: 'cross-site', mode: 'navigate', dest: 'document' }

const cases: [what: string, over: Partial<Knock>, status: number | null][] = [
  ['a program on this machine', {}, null],
  ['another name of this machine', { host: 'LOCALHOST:8600' }, null],
  ['IPv6', { host: '[::1]:8600' }, null],
  ['a name that an attacker has pointed here', { host: 'evil.example:8600' }, 421],
  ['a name that begins like ours', { host: '127.0.0.1.evil.example:8600' }, 421],
  ['another port', { host: '127.0.0.1:80' }, 421],
  ['no port', { host: '127.0.0.1' }, 421],
  ['no host', { host: undefined }, 421],
  ['a host with a user in it', { host: 'x@127.0.0.1:8600' }, 421],
  ['its own page', { origin: 'http://127.0.0.1:8600', site: 'same-origin' }, null],
  ['a form of another site', { method: 'POST', origin: 'http://evil.example', site: 'cross-site' }, 403],
  ['a sandboxed frame', { method: 'POST', origin: 'null', site: 'cross-site' }, 403],
  ['another port of this machine', { origin: 'http://127.0.0.1:9999', site: 'same-site' }, 403],
  ['the same name with TLS', { origin: 'https://127.0.0.1:8600' }, 403],
  [
    'a browser too old to say its origin',
    { method: 'POST', site: 'cross-site', mode: 'navigate', dest: 'document' },
    403,
  ],
  ['a link elsewhere that opens the page', navigation, null],
  ['a frame elsewhere', { ...navigation, dest: 'iframe' }, 403],
  ['an image elsewhere', { site: 'cross-site', mode: 'no-cors', dest: 'image' }, 403],
  ['a typed address', { site: 'none', mode: 'navigate', dest: 'document' }, null],
]

for (const [what, over, status] of cases) {
  test(`${what}: ${status === null ? 'may ask' : `refused with ${status}`}`, () => {
    assert.equal(refusalOf({ ...knock, ...over }, doorway)?.status ?? null, status)
  })
}

test('behind a Unix socket the caller’s tunnel has a port of its own', () => {
  const behind = { ...doorway, port: null }
  assert.equal(refusalOf({ ...knock, host: 'localhost:1234' }, behind), null)
  assert.equal(refusalOf({ ...knock, host: 'evil.example:1234' }, behind)?.status, 421)
})

test('the usual port need not be named', () => {
  const secure = { hosts: ['db1.example'], port: 443, secure: true }
  assert.equal(refusalOf({ ...knock, host: 'db1.example', origin: 'https://db1.example' }, secure), null)
  assert.equal(refusalOf({ ...knock, host: 'db1.example', origin: 'http://db1.example' }, secure)?.status, 403)
})

test('what only this machine reaches', () => {
  for (const address of ['127.0.0.1', '127.8.8.8', '::1', 'localhost']) assert.ok(isLoopback(address), address)
  for (const address of ['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.example', '128.0.0.1']) assert.ok(!isLoopback(address))
})
