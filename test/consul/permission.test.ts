import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Permanent } from '../../lib/base/errors.ts'
import { Denied, missingPermission, permissionFor, permissionForOperation } from '../../lib/consul/permission.ts'

describe('the permission that a request needs', () => {
  const cases: [string, string, string | undefined, string][] = [
    [
      'GET',
      '/v1/kv/watchbill/work/partition/?keys&consistent',
      undefined,
      'key_prefix "watchbill/work/partition/" read',
    ],
    ['GET', '/v1/kv/watchbill/?keys&consistent', undefined, 'key_prefix "watchbill/" read'],
    ['GET', '/v1/kv/watchbill/a%2Fb/lock/%25', undefined, 'key_prefix "watchbill/a/b/" read'],
    ['PUT', '/v1/session/create', 'a1', 'session:write on a1'],
    ['PUT', '/v1/session/renew/4711', 'a1', 'session:write on a1'],
    ['PUT', '/v1/session/destroy/4711', 'a1', 'session:write on a1'],
    ['GET', '/v1/session/info/4711?consistent', undefined, 'session:read on the node of the session'],
    ['GET', '/v1/session/node/a%201?consistent', undefined, 'session:read on a 1'],
    ['GET', '/v1/health/service/work?consistent', undefined, 'service:read on work'],
    ['GET', '/v1/health/node/a1', undefined, 'node:read on a1'],
    ['PUT', '/v1/agent/service/deregister/work-1', 'work', 'service:write on work'],
    ['PUT', '/v1/catalog/deregister', 'work', 'service:write on work'],
    ['PUT', '/v1/agent/force-leave/a1', undefined, 'operator:write'],
    ['GET', '/v1/agent/self', undefined, 'agent:read on this node'],
    ['GET', '/v1/acl/tokens?x=1', undefined, 'GET /v1/acl/tokens?x=1'],
  ]
  for (const [method, path, on, permission] of cases) {
    test(`${method} ${path}`, () => assert.equal(permissionFor(method, path, on), permission))
  }
})

describe('the permission that an operation needs', () => {
  const cases = [
    ['get-tree', 'watchbill/work/lock/', 'key_prefix "watchbill/work/lock/" read'],
    ['check-index', 'watchbill/work/lock/7', 'key_prefix "watchbill/work/lock/" read'],
    ['check-index', 'watchbill/~', 'key_prefix "watchbill/" read'],
    ['check-not-exists', 'watchbill/work/lock/7', 'key_prefix "watchbill/work/lock/" write'],
    ['lock', 'watchbill/work/lock/7', 'key_prefix "watchbill/work/lock/" write'],
    ['unlock', 'watchbill/work/lock/7', 'key_prefix "watchbill/work/lock/" write'],
    ['set', 'watchbill/work/wake/a:work/released', 'key_prefix "watchbill/work/wake/" write'],
    ['cas', 'watchbill/work/spec/settings', 'key_prefix "watchbill/work/spec/" write'],
    ['delete', 'watchbill/work/report/a:work', 'key_prefix "watchbill/work/report/" write'],
    ['delete-cas', 'watchbill/work/lock/7', 'key_prefix "watchbill/work/lock/" write'],
  ] as const
  for (const [Verb, Key, permission] of cases) {
    test(`${Verb} ${Key}`, () => assert.equal(permissionForOperation({ Verb, Key }), permission))
  }
})

test('a refusal is permanent, is one line, and says what is missing', () => {
  const refusal = new Denied('PUT /v1/session/create', 'session:write on a1')
  assert.equal(refusal.name, 'Permanent')
  assert.equal(
    refusal.message,
    'cannot PUT /v1/session/create: missing permission: session:write on a1; give it to the token, see consul.d/acl-policy.hcl',
  )
  assert.equal(missingPermission(refusal), 'session:write on a1')
  assert.equal(missingPermission(new Permanent('missing permission: none')), null)
})
