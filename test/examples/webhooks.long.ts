import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { execa } from 'execa'
import type { Verdict } from '../../examples/webhooks/verdict.ts'

test('each event is delivered, and by one instance, whoever joins, comes, goes, fails or is killed', async () => {
  const file = join(import.meta.dirname, '../../examples/webhooks/run.ts')
  const { exitCode, stdout, stderr } = await execa(process.execPath, [file, '--json'], {
    reject: false,
    timeout: 120_000,
  })
  assert.equal(exitCode, 0, stdout + stderr)
  const { faults, subscriptions, removed, instances, produced, delivered, repeated, byTwo, busy, stale } = JSON.parse(
    stdout,
  ) as Verdict
  assert.deepEqual(faults, [])
  assert.deepEqual(
    { subscriptions, removed, instances, stale },
    { subscriptions: 100, removed: 10, instances: 3, stale: 1 },
  )
  assert.equal(delivered, produced)
  assert.ok(produced > 500 && busy > 0, stdout)
  // The two that the kills leave in flight, and perhaps some of the others.
  assert.ok(repeated >= 2 && byTwo >= 1 && repeated <= subscriptions / 2, stdout)
})
