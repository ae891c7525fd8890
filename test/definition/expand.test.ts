import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { expand, expandEnv, placeholders } from '../../lib/definition/expand.ts'

const values = {
  partition: 'eu/orders',
  token: '812',
  version: 'v2',
  node: 'web-1',
  instance: 'web-1:consumer',
  service: 'consumer',
}

const cases: [string, string][] = [
  ['{partition}', 'eu/orders'],
  ['--id={service}-{partition}@{node}', '--id=consumer-eu/orders@web-1'],
  ['{token}{token}', '812812'],
  ['{version} {instance}', 'v2 web-1:consumer'],
  ['{{partition}}', '{eu/orders}'],
  ['{other} {Partition} { partition } {partition {}', '{other} {Partition} { partition } {partition {}'],
  ['{HOME} $partition {constructor} {__proto__}', '{HOME} $partition {constructor} {__proto__}'],
  ['', ''],
]

for (const [argument, expected] of cases) {
  test(`${JSON.stringify(argument)} → ${JSON.stringify(expected)}`, () => {
    assert.deepEqual(expand([argument], values), [expected])
  })
}

test('a word that has no value stays as it stands', () => {
  assert.deepEqual(expand(['{version}-{token}'], { token: '1' }), ['{version}-1'])
})

test('a value is put in as it is: never split, never expanded again, never a pattern', () => {
  for (const value of ['a b', "'; rm -rf /", '{token}', '{partition}', '$& $1 $$ $`', 'a\nb', '']) {
    assert.deepEqual(expand(['<{partition}>', 'x'], { partition: value, token: 'T' }), [`<${value}>`, 'x'])
  }
})

test('whatever the values hold, each argument is its pieces with the values between them', () => {
  const text = fc.string({ unit: fc.constantFrom('{', '}', 'token', 'partition', '$', '&', ' ', '"', 'a') })
  const literal = fc.string({ unit: fc.constantFrom('$', '&', ' ', '"', 'a', '-') })
  const piece = fc.oneof(
    literal.map(written => ({ written, key: null })),
    fc.constantFrom(...placeholders).map(key => ({ written: `{${key}}`, key })),
  )
  const given = fc.record({ partition: text, token: text, version: text, node: text, instance: text, service: text })
  fc.assert(
    fc.property(fc.array(fc.array(piece)), given, (pieces, some) => {
      const args = pieces.map(parts => parts.map(part => part.written).join(''))
      const expected = pieces.map(parts => parts.map(part => (part.key ? some[part.key] : part.written)).join(''))
      assert.deepEqual(expand(args, some), expected)
    }),
  )
})

test('in an environment the values are expanded and the names are not', () => {
  const env = { GROUP: '{service}-{partition}', token: 'x', PLAIN: '' }
  assert.deepEqual(expandEnv(env, values), { GROUP: 'consumer-eu/orders', token: 'x', PLAIN: '' })
})
