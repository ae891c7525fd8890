import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { execa } from 'execa'
import { howToGet, unpacked } from '../lab/debian.ts'

const nginx = await unpacked('nginx', 'nginx', console.error)
const skip = nginx === null && howToGet('nginx', 'nginx')

test('no request fails through clean moves and roll-outs, and through the kill of a worker at most those in flight', {
  skip,
}, async t => {
  const file = join(import.meta.dirname, '../../examples/nginx-upstreams/run.ts')
  const { exitCode, stdout, stderr } = await execa(process.execPath, [file, '--json'], {
    reject: false,
    timeout: 600_000,
  })
  assert.equal(exitCode, 0, stdout + stderr)
  const { faults, moves, rolls, kill } = JSON.parse(stdout)
  t.diagnostic(`through 5 drains: ${JSON.stringify(moves)}`)
  t.diagnostic(`through 3 roll-outs: ${JSON.stringify(rolls)}`)
  t.diagnostic(`through the kill: ${JSON.stringify(kill)}`)
  assert.deepEqual(faults, [])
  assert.equal(moves.failed, 0)
  assert.ok(moves.requests > 1000)
  assert.equal(rolls.failed, 0)
  assert.deepEqual(Object.keys(rolls.versions).sort(), ['1.0', '1.1', '1.2', '2.0'])
})
