/** Templates: what they may, and that what they may not is refused or cut off, in a process of its own. */
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import type { Turned } from '../../lib/render/engine.ts'
import type { Input, PartitionInput } from '../../lib/render/input.ts'
import { turnApart } from '../../lib/render/turn.ts'
import { root } from '../configure/run.ts'

// The program `template` lies beside the one that runs.
before(() => {
  process.argv[1] = `${root}/handlers/rerender.ts`
})

function partition(id: string, over: Partial<PartitionInput> = {}): PartitionInput {
  const holder = { holder: 'a:svc', node: 'a', address: '10.0.0.1', port: 80, here: true, ready: true }
  return { id, ...holder, document: null, version: null, ...over }
}

const input: Input = {
  service: { name: 'svc', title: null, frozen: false, version: null },
  self: { instance: 'a:svc', node: 'a' },
  settings: { drained: [], held: [], epoch: 0 },
  variables: { domain: 'example.org' },
  instances: [
    {
      name: 'a:svc',
      node: 'a',
      address: '10.0.0.1',
      port: 80,
      meta: {},
      tags: [],
      state: 'member',
      weight: 1,
      partitions: ['0', '1'],
    },
  ],
  partitions: [partition('0'), partition('1', { holder: null, address: null, port: null, here: false, ready: false })],
}

async function textOf(template: string, over: Partial<Input> = {}): Promise<string> {
  const [first] = await turnApart({ template, input: { ...input, ...over }, each: false })
  return first !== undefined && 'text' in first ? first.text : assert.fail(JSON.stringify(first))
}

async function errorOf(template: string, over: Partial<Input> = {}, limit?: number): Promise<string> {
  const [first] = await turnApart({ template, input: { ...input, ...over }, each: false }, limit)
  return first !== undefined && 'error' in first ? first.error : assert.fail(JSON.stringify(first)?.slice(0, 300))
}

test('a template has the service, the variables, instances and partitions', async () => {
  const template =
    '{{ service.name }} {{ variables.domain }} {{ self.node }}{% for p in partitions %} {{ p.id }}={{ p.address }}{% if p.ready %}!{% endif %}{% endfor %} {{ instances[0].partitions | join: "+" }}'
  assert.equal(await textOf(template), 'svc example.org a 0=10.0.0.1! 1= 0+1')
})

test('one text for each partition, each with its own error', async () => {
  const template = '{{ partition.id | word }}'
  const partitions = [partition('0'), partition('a b'), partition('1')]
  const found: readonly Turned[] = await turnApart({ template, input: { ...input, partitions }, each: true })
  assert.deepEqual(
    found.map(one => ('text' in one ? one.text : one.error.slice(0, 10))),
    ['0', '"a b" is n', '1'],
  )
})

test('host puts an IPv6 address into brackets, and word refuses what is more than a word', async () => {
  assert.equal(
    await textOf('{{ "::1" | append: "" | prepend: "fe80" | host }} {{ "10.0.0.1" | host }}'),
    '[fe80::1] 10.0.0.1',
  )
  assert.match(await errorOf('{{ "a; include /etc/passwd" | word }}'), /is not a word/)
  assert.match(await errorOf('{{ nothing.at.all | word }}'), /undefined variable: nothing/)
})

describe('a template is refused, or cut off in time', () => {
  const hostile: [what: string, template: string, error: RegExp][] = [
    ['reads a file by include', '{% include "/etc/passwd" %}', /reads another file, which a template may not/],
    ['reads a file by render', '{% render "../../etc/passwd" %}', /reads another file, which a template may not/],
    ['reads a file by layout', '{% layout "/etc/passwd" %}', /reads another file, which a template may not/],
    ['names a file as an argument', '{% include service.name %}', /reads another file, which a template may not/],
    ['the environment', '{{ process.env.PATH }}', /undefined variable: process/],
    ['the global object', '{{ globalThis }}', /undefined variable: globalThis/],
    ['require', '{{ "fs" | require }}', /undefined filter: require/],
    ['a constructor', '{{ service.constructor.name }}', /undefined variable: service.constructor/],
    ['a prototype', '{{ service.__proto__.toString }}', /undefined variable: service.__proto__/],
    ['the prototype of an array', '{{ partitions.constructor }}', /undefined variable: partitions.constructor/],
    ['a method of a text', '{{ service.name.constructor }}', /undefined variable: service.name.constructor/],
    ['a misspelt field', '{{ partitions[0].adress }}', /undefined variable: partitions\.0\.adress/],
    ['an unclosed tag', 'a\n{% for p in partitions %}', /not closed, line:2/],
    ['a range without end', '{% for i in (1..1000000000000) %}x{% endfor %}', /memory alloc limit exceeded/],
    [
      'loops in loops',
      '{% for i in (1..1000000) %}{% for j in (1..1000000) %}{% for k in (1..1000000) %}{% endfor %}{% endfor %}{% endfor %}',
      /limit exceeded/,
    ],
    [
      'a text that doubles',
      '{% assign s = "xxxxxxxxxx" %}{% for i in (1..60) %}{% assign s = s | append: s %}{% endfor %}',
      /limit exceeded/,
    ],
    [
      'too much output',
      '{% assign s = "xxxxxxxxxx" %}{% for i in (1..17) %}{% assign s = s | append: s %}{% endfor %}{% for i in (1..10) %}{{ s }}{% endfor %}',
      /it makes 12\.5 MiB; at most 8 MiB are written/,
    ],
    ['a pad of megabytes', '{{ "now" | date: "%999999999d" }}', /limit exceeded/],
    ['deep nesting', '{% if true %}'.repeat(100_000), /./],
  ]
  for (const [what, template, error] of hostile) {
    test(what, async () => assert.match(await errorOf(template), error))
  }

  test('a template that takes too long is killed, whatever it does', async () => {
    const template =
      '{% for i in (1..10000) %}{% for j in (1..10000) %}{% for k in (1..10000) %}{% endfor %}{% endfor %}{% endfor %}'
    const begun = performance.now()
    assert.equal(await errorOf(template, {}, 800), 'it takes longer than 0.8 s')
    assert.ok(performance.now() - begun < 3000)
  })

  test('a field of a document is data, whatever its name', async () => {
    const document = JSON.parse('{"__proto__": {"x": 1}, "constructor": "mine"}')
    const partitions = [partition('0', { document })]
    assert.equal(await textOf('{{ partitions[0].document.constructor }}', { partitions }), 'mine')
  })

  test('what a value says is never a template', async () => {
    const partitions = [partition('{{ service.name }}{% include "x" %}')]
    assert.equal(await textOf('{{ partitions[0].id }}', { partitions }), '{{ service.name }}{% include "x" %}')
  })
})
