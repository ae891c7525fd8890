import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import type { Definition } from '../../lib/definition/definition.ts'
import { digest } from '../../lib/definition/digest.ts'
import { parseDefinition } from '../../lib/definition/load.ts'
import { smallest } from './samples.ts'

const load = (value: unknown) => parseDefinition(JSON.stringify(value), 'consumer.json')

/** The same value with the keys of every object the other way round. */
function reversed<Value>(value: Value): Value {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(reversed) as Value
  const entries = Object.entries(value).reverse()
  return Object.fromEntries(entries.map(([key, inner]) => [key, reversed(inner)])) as Value
}

test('is 16 hexadecimal digits that stay the same from version to version', async () => {
  assert.equal(digest(await load(smallest)), 'c295f1ccf10cdd0a')
})

test('does not depend on the order of the keys', async () => {
  const definition = await load({ ...smallest, run: { command: ['x'], env: { B: '1', A: '2' } } })
  assert.notDeepEqual(JSON.stringify(reversed(definition)), JSON.stringify(definition))
  assert.equal(digest(reversed(definition)), digest(definition))
})

test('is the same whether a default is written or left out', async () => {
  const written = { ...smallest, id: 'consumer', weight: 1, lease: '10000ms', partitions: { list: ['0', '1'] } }
  assert.equal(digest(await load(written)), digest(await load(smallest)))
})

test('changes with every field', async () => {
  const definition = await load(smallest)
  const changed: Partial<Definition>[] = [
    { name: 'other' },
    { id: 'other' },
    { tags: ['x'] },
    { weight: 2 },
    { startsAtOnce: 20 },
    { maxPartitions: 1 },
    { maxCost: 1 },
    { meta: { zone: 'a' } },
    { partitions: ['1', '0'] },
    { run: { ...definition.run, command: ['./consume', ''] } },
    { run: { ...definition.run, cwd: '/' } },
    { run: { ...definition.run, env: { A: '' } } },
    { run: { ...definition.run, restart: 'never' } },
    { stop: { ...definition.stop, signal: 'SIGINT' } },
    { stop: { ...definition.stop, graceMs: 1 } },
    { stop: { ...definition.stop, command: ['x'] } },
    { guardIntervalMs: 1 },
    { leaseMs: 1 },
  ]
  const digests = [definition, ...changed.map(change => ({ ...definition, ...change }))].map(digest)
  assert.equal(new Set(digests).size, digests.length)
})

test('does not load zod', () => {
  const program = `
    import { registerHooks } from 'node:module'
    registerHooks({ resolve: (name, context, next) => { if (/zod/.test(name)) throw new Error(name); return next(name, context) } })
    for (const file of ['digest', 'expand', 'definition', 'load']) await import('./lib/definition/' + file + '.ts')
  `
  execFileSync(process.execPath, ['--input-type=module', '--eval', program], { stdio: ['ignore', 'pipe', 'pipe'] })
})
