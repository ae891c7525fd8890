/** Replies that are not Consul's, and hostile values that others may write below a service. */
import type { Reply } from './consul.ts'

export const garbledAnswers: readonly Reply[] = [
  { text: [], index: null },
  { text: '', index: null },
  { text: 'null', index: null },
  { text: {}, index: null },
  { status: 404, index: null },
  { status: 404, text: '<html>not found</html>', index: null },
  { text: '<html><h1>Welcome</h1></html>', index: null },
  { status: 500, text: 'No cluster leader', index: null },
  { status: 429, text: 'Your IP is issuing too many concurrent connections', index: null },
  { status: 409, text: {}, index: null },
  { status: 301, text: '', index: null },
  { text: '{"Results":null,"Errors"', index: null },
  { text: '[{"Key": "watchbill/svc/lo', index: null },
  { text: [null], index: null },
  { text: [[]], index: null },
  { text: [{ Key: '__proto__' }], index: null },
  { text: [5, 'x'], index: null },
  { text: '['.repeat(50_000), index: null },
  { text: '\ud800', index: null },
  { text: true, index: null },
]

const evil = '\u001b[2J\n/../../etc'
const forged = {
  instance: '../../../etc:svc',
  acquisition: '../x',
  lease: 1e308,
  grace: -1,
  since: evil,
  version: evil,
}

/**
 * Keys below the service's own, and their values. A valid epoch is not among them: a person who lowers it lowers the
 * tokens.
 */
export const hostileWrites: readonly (readonly [key: string, value: string])[] = [
  ...[
    '..',
    '.',
    '%2e%2e',
    '%2E%2E%2F%2E%2E%2Fetc',
    'a/b/c',
    '__proto__',
    'x'.repeat(300),
    '%00',
    '%ff',
    '\u0007',
    ' ',
  ].flatMap(
    name =>
      [
        [`partition/${name}`, '{}'],
        [`lock/${name}`, '{"clean":true}'],
      ] as const,
  ),
  ['lock/0', JSON.stringify(forged)],
  ['lock/1', JSON.stringify({ clean: true, next: '../../x', instance: '../../x' })],
  ['lock/0', JSON.stringify({ __proto__: { clean: true }, clean: true, next: { toString: 1 } })],
  ['lock/1', '['.repeat(10_000)],
  ['lock/1', 'null'],
  ['member/c:svc', JSON.stringify({ weight: 1e308, maxPartitions: 5e-324, roster: -1, lease: 1e308, leaving: 'yes' })],
  ['member/../../x', '{}'],
  ['spec/settings', JSON.stringify({ drained: ['../..', '__proto__', evil], epoch: '8191' })],
  ['spec/settings', JSON.stringify({ drained: 5, epoch: 1e308 })],
  ['spec/settings', '{"__proto__":{"drained":["a:svc","b:svc","c:svc"]}}'],
  ['member/c:svc', JSON.stringify({ wait: 1e308, moves: -1, back: 'no', freeze: { lost: 1e-308, settleMs: 1e308 } })],
  ['spec/number', JSON.stringify({ by: 'hand', number: 1e308, done: false, had: 0 })],
  ['spec/number', JSON.stringify({ by: 'reset', number: 1, done: 'no', had: -1, instance: evil })],
  ['spec/freeze', JSON.stringify({ frozen: 'yes', by: 'lost', lost: { length: 1e9 }, why: evil })],
  ['spec/freeze', '['.repeat(10_000)],
  ['spec/placement', '{'],
  ['spec/placement', JSON.stringify({ rules: { only: evil } })],
  ['spec/placement', JSON.stringify({ rules: { cost: [{ is: -1 }, { is: 1e308 }] }, pins: { 0: '../../x' } })],
  [
    'spec/placement',
    JSON.stringify({ rules: { only: [{ attribute: 'node', in: ['../..'] }] }, pins: { __proto__: 'a:svc' } }),
  ],
  ['spec/plan', '{'],
  ['spec/plan', JSON.stringify({ revision: 1, parts: 1e9, digest: evil })],
  ['spec/plan', JSON.stringify({ revision: 1, parts: 2, digest: evil, withdrawn: 7, giveUpMs: -1 })],
  ['spec/plan', JSON.stringify({ revision: '../..', parts: 1, digest: '' })],
  ['plan/1/0', evil],
  ['spec/asked', evil],
  ['ask/../../x', evil],
  ['trait/0', JSON.stringify({ of: '/cost', document: 1e308, trait: { '/cost': evil } })],
  ['report/a:svc', JSON.stringify({ 0: evil, '../x': {} })],
  ['wake/a:svc/released', evil],
  ['run/command', '["/bin/rm","-rf","/"]'],
]

/** Rules of placement that leave some partitions without a place, or move all of them. */
export const rulesOfPlacement: readonly object[] = [
  { only: [{ for: '0', attribute: 'node', in: ['a'] }] },
  { only: [{ attribute: 'instance', not: ['b:svc'] }] },
  { only: [{ for: '1', attribute: 'meta.gpu', in: ['true'] }] },
  { apart: [{ over: 'node' }], cost: [{ for: '0', is: 5 }] },
  { spread: [{ over: 'node', shares: { a: 5, b: 1 } }], prefer: [{ attribute: 'node', in: ['b'], weight: 1 }] },
  { cost: [{ field: '/cost' }] },
]
