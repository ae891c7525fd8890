import assert from 'node:assert/strict'
import { existsSync, rmSync } from 'node:fs'
import { it } from 'node:test'
import { checkFiles } from '../../lib/checks/state.ts'
import { Watched } from '../../lib/checks/watched.ts'
import type { CheckDefinition } from '../../lib/definition/checks.ts'
import { makeDirectory, readFact } from '../../lib/state/facts.ts'
import { partitionIn, stateOf } from '../fixtures/state.ts'

const check = { id: 'disk', intervalMs: 1000 } as CheckDefinition

it('what becomes of a check is kept, and of no use once its partition is given back', t => {
  const partition = partitionIn(stateOf(t), '0')
  const files = checkFiles(partition, 'disk')
  const watched = new Watched('0', 'a1', check, files, 1000)
  watched.state = { ...watched.state, status: 'warning' }
  assert.match(readFact(files.state) ?? '', /"warning"/)
  // A drain that the check itself asked for is carried out while the round of checks goes on.
  rmSync(partition.checks, { recursive: true })
  watched.state = { ...watched.state, status: 'critical' }
  assert.equal(watched.state.status, 'critical')
  assert.equal(existsSync(partition.checks), false)
  makeDirectory(files.directory)
  makeDirectory(`${files.state}.${process.pid}.new`)
  assert.throws(() => {
    watched.state = { ...watched.state, status: 'passing' }
  }, /cannot write .*EISDIR/)
})
