/** What docs/coming-from.md prints can be used at all; coming-from.long.ts runs it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { execa } from 'execa'
import { parseDefinition } from '../../lib/definition/load.ts'
import { blocks } from './page.ts'

const page = 'docs/coming-from.md'

test('the definitions are good ones', async () => {
  const definitions = blocks(page, 'json')
  const loaded = await Promise.all(
    definitions.map(text => parseDefinition(text, page, { KAFKA_PARTITION_COUNT: '16' })),
  )
  assert.deepEqual(
    loaded.map(({ name, title, partitions, source }) => [name, title, partitions.length, source?.from.kind]),
    [
      ['kafka-consumer', 'Kafka Consumer', 16, undefined],
      ['links', undefined, 0, 'http'],
    ],
  )
})

test('the programs are in their languages', async () => {
  const [shells, scripts] = [blocks(page, 'sh'), blocks(page, 'js')]
  assert.deepEqual([shells.length, scripts.length], [4, 2])
  for (const input of shells) await execa('sh', ['-n'], { input })
  for (const input of scripts) await execa(process.execPath, ['--input-type=module', '--check'], { input })
})
