import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { root } from '../configure/run.ts'

for (const [file, language] of [
  ['worker.sh', 'sh'],
  ['worker.mjs', 'js'],
] as const) {
  test(`docs/one-process.md shows examples/one-process/${file}, which other tests run`, () => {
    const program = readFileSync(`${root}/examples/one-process/${file}`, 'utf8')
    assert.ok(readFileSync(`${root}/docs/one-process.md`, 'utf8').includes(`\`\`\`${language}\n${program}\`\`\``))
  })
}
