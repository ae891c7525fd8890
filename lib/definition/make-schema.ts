/**
 * Writes definition.schema.json, with which editors check and complete a definition file:
 *   node lib/definition/make-schema.ts
 * Draft 7, because editors support it best.
 */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as z from 'zod/mini'
import { schema } from './schema.ts'

/** The JSON Schema of a definition file as users write it. */
export function editorSchema() {
  const { required = [], ...whole } = z.toJSONSchema(schema, { target: 'draft-07', io: 'input' })
  const ofMember = ['partitions', 'run']
  return {
    ...whole,
    required: required.filter(field => !ofMember.includes(field)),
    // An observer runs nothing: see render.ts.
    if: { properties: { role: { const: 'observer' } }, required: ['role'] },
    else: { required: ofMember },
  }
}

if (import.meta.main) {
  const file = fileURLToPath(new URL('definition.schema.json', import.meta.url))
  writeFileSync(file, `${JSON.stringify(editorSchema(), null, 2)}\n`)
  execFileSync('npx', ['biome', 'format', '--write', file], { stdio: 'inherit' })
}
