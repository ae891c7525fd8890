import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseDefinition } from '../../lib/definition/load.ts'
import { editorSchema } from '../../lib/definition/make-schema.ts'
import { smallest } from './samples.ts'

type Node = {
  description?: string
  properties?: Record<string, Node>
  additionalProperties?: unknown
  default?: unknown
}

const shipped = JSON.parse(
  readFileSync(new URL('../../lib/definition/definition.schema.json', import.meta.url), 'utf8'),
) as Node

/** Every field of the definition by its path. */
function fieldsOf(node: Node, path = ''): [string, Node][] {
  const inner = Object.entries(node.properties ?? {})
  return inner.flatMap(([name, field]) => [
    [path + name, field] as [string, Node],
    ...fieldsOf(field, `${path}${name}.`),
  ])
}

test('the shipped file is what the schema says now; node lib/definition/make-schema.ts writes it again', () => {
  assert.deepEqual(shipped, JSON.parse(JSON.stringify(editorSchema())))
})

test('every field has a description, and every object refuses unknown fields', () => {
  const fields = fieldsOf(shipped)
  assert.equal(fields.length, 137)
  for (const [path, field] of fields) {
    assert.ok(field.description, `${path} has no description`)
    if (field.properties) assert.equal(field.additionalProperties, false, path)
  }
  assert.equal(shipped.additionalProperties, false)
})

test('the defaults it shows are those that a definition gets', async () => {
  const defaults = Object.fromEntries(
    fieldsOf(shipped).flatMap(([path, field]) => ('default' in field ? [[path, field.default]] : [])),
  )
  const { run, stop, ...definition } = await parseDefinition(JSON.stringify(smallest), 'consumer.json')
  assert.deepEqual(defaults, {
    tags: definition.tags,
    weight: definition.weight,
    maxPartitions: definition.maxPartitions,
    'assign.every': '30s',
    'assign.timeout': '5s',
    'assign.on': ['members', 'partitions', 'settings'],
    'assign.giveUpAfter': '5m',
    'assign.actions': {},
    'run.env': run.env,
    'run.restart': run.restart,
    'run.per': run.per,
    stop: {},
    'stop.signal': stop.signal,
    'stop.grace': `${stop.graceMs / 1000}s`,
    checks: definition.checks,
    hooks: definition.hooks,
    // Of a field that is left out, and so are these.
    'versions.keep': 2,
    'versions.timeout': '10m',
    guard: {},
    'guard.interval': `${definition.guardIntervalMs / 1000}s`,
    lease: `${definition.leaseMs / 1000}s`,
  })
})
