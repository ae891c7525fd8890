import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { schemas } from '../../lib/scheduler/make-schema.ts'

for (const name of ['input', 'answer'] as const)
  test(`the shipped ${name}.schema.json is what the code says now; node lib/scheduler/make-schema.ts writes it again`, () => {
    const file = new URL(`../../lib/scheduler/${name}.schema.json`, import.meta.url)
    assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), JSON.parse(JSON.stringify(schemas[name]())))
  })
