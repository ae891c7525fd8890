import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { execa } from 'execa'
import { loadDefinition } from '../../lib/definition/load.ts'
import { directory } from '../fixtures/state.ts'

const root = join(import.meta.dirname, '../..')
const file = join(root, 'examples/kafka-partitions/definition.json')

test('the number of partitions is what the environment says when configure runs, and Consul hands it on', async t => {
  const { partitions, checks } = await loadDefinition(file, { KAFKA_PARTITION_COUNT: '16' })
  assert.equal(partitions.length, 16)
  assert.deepEqual(
    checks.map(({ id, ttlMs, command }) => [id, ttlMs !== null, command !== null]),
    [
      ['progress', true, false],
      ['lag', false, true],
      ['disk', false, true],
    ],
  )
  const args = [join(root, 'handlers/configure.ts'), file, '--stdout', '--node', 'n1', '--home', directory(t)]
  const env = { KAFKA_PARTITION_COUNT: '16', CONSUL_HTTP_ADDR: '127.0.0.1:9' }
  const { stdout } = await execa(process.execPath, args, { env })
  const { services, watches } = JSON.parse(stdout)
  for (const { args } of [services[0].checks[0], ...watches])
    assert.ok(args.join(' ').includes('--variables KAFKA_PARTITION_COUNT=16'), args.join(' '))
  assert.ok(watches.some(({ service }: { service?: string }) => service === 'kafka-orders-partition'))
})

test('without it, configure says which variable is missing', async t => {
  const args = [join(root, 'handlers/configure.ts'), file, '--stdout', '--node', 'n1', '--home', directory(t)]
  const { exitCode, stderr } = await execa(process.execPath, args, {
    reject: false,
    env: { KAFKA_PARTITION_COUNT: '' },
  })
  assert.equal(exitCode, 100)
  assert.match(stderr, /partitions\.count\.env: KAFKA_PARTITION_COUNT is not set; set it when configure runs/)
})
