import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDefinition } from '../../lib/definition/load.ts'
import { asText, consulConfig, merged } from '../../lib/setup/configure/consul-config.ts'
import { small } from './run.ts'

const place = {
  instance: 'n1:mail-2',
  definitionFile: '/etc/watchbill/mail.json',
  node: '/opt/node',
  programs: '/opt/watchbill/current',
  more: ['--state', '/srv/state'],
}

const read = (more: object) => parseDefinition(JSON.stringify({ ...small, ...more }), 'mail.json')
const whose = ['--instance', 'n1:mail-2', '--service', 'mail', '--definition', '/etc/watchbill/mail.json']
const args = (program: string, ...own: string[]) => [
  ...['/opt/node', `/opt/watchbill/current/${program}.cjs`],
  ...[...whose, '--state', '/srv/state', ...own],
]

test('one service, its guard check and four watches', async () => {
  const definition = await read({ id: 'mail-2', tags: ['a', 'b'], lease: '12.5s', guard: { interval: '3s' } })
  const script = 'script'
  assert.deepEqual(consulConfig(definition, place), {
    services: [
      {
        name: 'mail',
        id: 'mail-2',
        tags: ['a', 'b'],
        checks: [
          {
            id: 'mail-2-guard',
            name: 'watchbill guard',
            args: args('guard', '--interval', '3s'),
            interval: '3s',
            timeout: '12500ms',
            status: 'passing',
          },
        ],
      },
    ],
    watches: [
      { type: 'service', service: 'mail', handler_type: script, args: args('on-service') },
      {
        type: 'keyprefix',
        prefix: 'watchbill/mail/spec/',
        handler_type: script,
        args: args('on-keyprefix', '--watch', 'spec'),
      },
      {
        type: 'keyprefix',
        prefix: 'watchbill/mail/wake/n1:mail-2/',
        handler_type: script,
        args: args('on-keyprefix', '--watch', 'wake'),
      },
      { type: 'checks', service: 'mail', handler_type: script, args: args('on-checks') },
    ],
  })
})

test('no tags are no field', async () => {
  const [service] = consulConfig(await read({}), place).services
  assert.deepEqual(Object.keys(service ?? {}), ['name', 'id', 'checks'])
})

test('several services are one configuration, as Consul merges files', async () => {
  const configs = [consulConfig(await read({}), place), consulConfig(await read({ id: 'other' }), place)]
  const { services, watches } = merged(configs)
  assert.deepEqual([services.map(({ id }) => id), watches.length], [['mail', 'other'], 8])
})

test('the text is JSON for people', async () => {
  const config = consulConfig(await read({}), place)
  const text = asText(config)
  assert.deepEqual(JSON.parse(text), config)
  assert.ok(text.startsWith(`{\n  "services": [\n`) && text.endsWith(`\n}\n`))
})
