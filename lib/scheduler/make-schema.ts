/**
 * Writes input.schema.json and answer.schema.json, for whoever writes a scheduler:
 *   node lib/scheduler/make-schema.ts
 */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as z from 'zod/mini'
import { answer } from './answer.ts'
import { input } from './input.ts'

export const schemas = {
  input: () => z.toJSONSchema(input, { target: 'draft-07' }),
  answer: () => z.toJSONSchema(answer, { target: 'draft-07', io: 'input' }),
}

if (import.meta.main) {
  for (const [name, schema] of Object.entries(schemas)) {
    const file = fileURLToPath(new URL(`${name}.schema.json`, import.meta.url))
    writeFileSync(file, `${JSON.stringify(schema(), null, 2)}\n`)
    execFileSync('npx', ['biome', 'format', '--write', file], { stdio: 'inherit' })
  }
}
