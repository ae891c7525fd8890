import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { certificateFrom, listenFrom } from '../../lib/page/listen.ts'
import { directory } from '../fixtures/state.ts'

const address = (host: string, port: number) => ({ kind: 'address', host, port })

test('where to listen', () => {
  for (const [text, found] of [
    [undefined, address('127.0.0.1', 0)],
    ['localhost:8600', address('localhost', 8600)],
    ['[::1]:8600', address('::1', 8600)],
    ['/run/watchbill.sock', { kind: 'unix', path: '/run/watchbill.sock' }],
    ['unix:///run/watchbill.sock', { kind: 'unix', path: '/run/watchbill.sock' }],
  ] as const)
    assert.deepEqual(listenFrom(text, {}, 7), found)
  for (const text of ['8600', 'a:b:c', '127.0.0.1', '127.0.0.1:99999', '[::1]', '::1:80', '[1:2]:80'])
    assert.throws(() => listenFrom(text, {}, 7), { name: 'Permanent' }, text)
})

test('systemd’s socket, where it is meant for this process and nothing else is asked for', () => {
  const env = { LISTEN_PID: '7', LISTEN_FDS: '1' }
  assert.deepEqual(listenFrom(undefined, env, 7), { kind: 'handed', fd: 3 })
  assert.deepEqual(listenFrom(undefined, env, 8), address('127.0.0.1', 0), 'it was our parent’s')
  assert.deepEqual(listenFrom('127.0.0.1:1', env, 7), address('127.0.0.1', 1))
  assert.throws(() => listenFrom(undefined, { ...env, LISTEN_FDS: '2' }, 7), /2 sockets; give one ListenStream/)
})

test('another address than loopback needs TLS', t => {
  const file = join(directory(t), 'pem')
  writeFileSync(file, 'pem')
  const wide = listenFrom('0.0.0.0:8600', {}, 7)
  assert.throws(() => certificateFrom(wide, undefined, undefined), /cannot listen on 0.0.0.0 without TLS/)
  assert.throws(() => certificateFrom(wide, file, undefined), /--cert and --key go together/)
  assert.throws(() => certificateFrom(wide, file, '/nowhere'), /cannot read \/nowhere/)
  assert.deepEqual(certificateFrom(wide, file, file), { cert: 'pem', key: 'pem' })
  assert.equal(certificateFrom(listenFrom('/a.sock', {}, 7), undefined, undefined), null)
})
