import assert from 'node:assert/strict'
import { join } from 'node:path'
import { it } from 'node:test'
import { execa } from 'execa'

it('a queue is fed into a service, though its feeder is killed', async () => {
  const file = join(import.meta.dirname, '../../examples/queue/run.ts')
  const { exitCode, all } = await execa(process.execPath, [file], { all: true, reject: false, timeout: 180_000 })
  assert.equal(exitCode, 0, all)
  assert.match(all, /"changed":\["order-2"\]/)
  assert.match(all, /verdict: as it should be\n*$/)
})
