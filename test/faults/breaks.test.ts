import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { breaks } from './breaks.ts'
import { faults } from './registry.ts'

const root = join(import.meta.dirname, '../..')

describe('each rule whose break the lab must catch', () => {
  for (const { name, file, from, fault } of breaks) {
    it(`has its text once in its file, and a known fault: ${name}`, () => {
      assert.equal(readFileSync(join(root, file), 'utf8').split(from).length, 2, `${file} does not hold it once`)
      assert.ok(faults.some(one => one.name === fault))
    })
  }
})
