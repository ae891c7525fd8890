import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rosterVersion } from '../../lib/keys/member.ts'
import { versions } from '../../lib/roster/versions.ts'

test('the version that a member says is the highest that it can compute', () => {
  assert.equal(rosterVersion, versions.length)
})
