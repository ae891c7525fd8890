import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { notPassedOn, passedOn } from '../../lib/setup/configure/environment.ts'

describe('what the programs are told', () => {
  const cases: [string, object, Record<string, string>, string[]][] = [
    ['nothing where all is as by default', {}, {}, []],
    ['nothing of what equals the default', { state: '/var/lib/watchbill' }, { CONSUL_HTTP_ADDR: '127.0.0.1:8500' }, []],
    ['the state directory, absolute', { state: '/srv/a/../b' }, {}, ['--state', '/srv/b']],
    ['the state directory of the environment', {}, { WATCHBILL_STATE: '/srv/s' }, ['--state', '/srv/s']],
    ['an address', { address: 'unix:///run/consul' }, {}, ['--http-addr', 'unix:///run/consul']],
    ['the address of the environment', {}, { CONSUL_HTTP_ADDR: '10.0.0.1:8500' }, ['--http-addr', '10.0.0.1:8500']],
    [
      'no more of it than the origin',
      { address: 'https://10.0.0.1:8501/' },
      {},
      ['--http-addr', 'https://10.0.0.1:8501'],
    ],
    ['the port that is the default without TLS', { address: '10.0.0.1:80/' }, {}, ['--http-addr', '10.0.0.1:80']],
    ['the given rather than the environment', { state: '/a' }, { WATCHBILL_STATE: '/b' }, ['--state', '/a']],
    ['the file of a token', {}, { CONSUL_HTTP_TOKEN_FILE: '/etc/t' }, ['--token-file', '/etc/t']],
    ['never a token', {}, { CONSUL_HTTP_TOKEN: 'secret' }, []],
  ]
  for (const [what, given, env, args] of cases) test(what, () => assert.deepEqual(passedOn(given, env), args))
})

for (const address of ['http://me:secret@10.0.0.1:8500', 'me:secret@10.0.0.1:8500', '10.0.0.1:8500?token=secret']) {
  test(`what would be for everybody to read is refused: ${address}`, () => {
    const wrong = ({ name, message }: Error) => name === 'Permanent' && !message.includes('secret')
    assert.throws(() => passedOn({}, { CONSUL_HTTP_ADDR: address }), wrong)
    assert.throws(() => passedOn({ address }, {}), wrong)
  })
}

test('what has no argument is named, so that it can be given to the agent', () => {
  const env = {
    CONSUL_HTTP_TOKEN: 'secret',
    CONSUL_CACERT: '/ca.pem',
    CONSUL_HTTP_SSL: '',
    CONSUL_HTTP_AUTH: 'me:secret',
  }
  assert.deepEqual(notPassedOn(env), ['CONSUL_HTTP_TOKEN', 'CONSUL_HTTP_AUTH', 'CONSUL_CACERT'])
})
