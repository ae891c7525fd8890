import assert from 'node:assert/strict'
import { join } from 'node:path'
import { it } from 'node:test'
import { execa } from 'execa'
import { keysOf } from '../../lib/base/names.ts'
import { fakeConsul } from '../fixtures/consul.ts'

const handler = join(import.meta.dirname, '../../handlers/partitions.ts')
const keys = keysOf('work')

it('says which partition that was to be removed is none, and exits 1; the others are removed', async t => {
  const { consul, memory } = await fakeConsul(t)
  memory.put(keys.revision, '{}')
  for (const id of ['7', '8']) memory.put(keys.partition(id), '{"from":"definition"}')
  const run = async (...words: string[]) => {
    const args = [handler, 'work', ...words, '--http-addr', new URL(consul.address.origin).host]
    const { stdout, exitCode } = await execa(process.execPath, args, { reject: false })
    return [stdout, exitCode]
  }
  assert.deepEqual(await run('remove', '7', '99'), [
    'added: none; removed: 7; work has no partition 99; see watchbill partitions work',
    1,
  ])
  assert.deepEqual(await run('remove', '99', '--json'), ['{"added":[],"changed":[],"removed":[],"unknown":["99"]}', 1])
  assert.deepEqual(await run('remove', '8', '8', '99', '99', '--dry-run'), [
    'would add: none; would remove: 8; work has no partition 99; see watchbill partitions work',
    1,
  ])
  assert.deepEqual(await run('remove', '8'), ['added: none; removed: 8', 0])
})
