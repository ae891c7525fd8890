import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { notPassedOn, passedOn } from '../../lib/configure/environment.ts'

describe('what the programs are told', () => {
  const cases: [string, object, Record<string, string>, string[]][] = [
    ['nothing where all is as by default', {}, {}, []],
    ['nothing of what equals the default', { state: '/var/lib/watchbill' }, { CONSUL_HTTP_ADDR: '127.0.0.1:8500' }, []],
    ['the state directory, absolute', { state: '/srv/a/../b' }, {}, ['--state', '/srv/b']],
    ['the state directory of the environment', {}, { WATCHBILL_STATE: '/srv/s' }, ['--state', '/srv/s']],
    ['an address', { 'http-addr': 'unix:///run/consul' }, {}, ['--http-addr', 'unix:///run/consul']],
    ['the address of the environment', {}, { CONSUL_HTTP_ADDR: '10.0.0.1:8500' }, ['--http-addr', '10.0.0.1:8500']],
    ['the given rather than the environment', { state: '/a' }, { WATCHBILL_STATE: '/b' }, ['--state', '/a']],
    ['the file of a token', {}, { CONSUL_HTTP_TOKEN_FILE: '/etc/t' }, ['--token-file', '/etc/t']],
    ['never a token', {}, { CONSUL_HTTP_TOKEN: 'secret' }, []],
  ]
  for (const [what, given, env, args] of cases) test(what, () => assert.deepEqual(passedOn(given, env), args))
})

test('what has no argument is named, so that it can be given to the agent', () => {
  const env = { CONSUL_HTTP_TOKEN: 'secret', CONSUL_CACERT: '/ca.pem', CONSUL_HTTP_SSL: '', PATH: '/bin' }
  assert.deepEqual(notPassedOn(env), ['CONSUL_HTTP_TOKEN', 'CONSUL_CACERT'])
})
