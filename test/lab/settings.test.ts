import assert from 'node:assert/strict'
import { it } from 'node:test'
import { asNamedBy } from './settings.ts'

const files = { ca_file: '/ca', cert_file: '/c', key_file: '/k', verify_incoming: true }
const acl = { enabled: true, tokens: { master: 'm', agent: 'a' } }

it('settings are named as the version at hand does', () => {
  assert.deepEqual(asNamedBy('1.8.7', { ...files, acl, log_level: 'warn' }), { ...files, acl, log_level: 'warn' })
  const renamed = { enabled: true, tokens: { initial_management: 'm', agent: 'a' } }
  assert.deepEqual(asNamedBy('1.11.0', { ...files, acl }), { ...files, acl: renamed })
  assert.deepEqual(asNamedBy('1.22.5', { ...files, acl }), { tls: { defaults: files }, acl: renamed })
  assert.deepEqual(asNamedBy('2.1.0', { ports: { http: 1 } }), { ports: { http: 1 } })
})
