/**
 * npm run bench -- <name> [--json]: runs test/bench/<name>.ts and prints its rows; progress goes to stderr.
 * Exits: 0 every bar is kept, or no name was given · 1 a bar is missed · 100 usage.
 */
import { readdirSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { reason } from '../../lib/base/errors.ts'
import { type Bench, json, table } from './bench.ts'

const benches = readdirSync(import.meta.dirname)
  .filter(file => file.endsWith('.ts') && !file.endsWith('.test.ts') && file !== 'run.ts' && file !== 'bench.ts')
  .map(file => file.slice(0, -'.ts'.length))
const list = benches.join(', ')

function refuse(object: string, why: string): never {
  console.error(`bench: permanent: cannot run ${object}: ${why}; use one of: ${list}`)
  process.exit(100)
}

function usage() {
  try {
    return parseArgs({ options: { json: { type: 'boolean', default: false } }, allowPositionals: true })
  } catch (error) {
    return refuse('a bench', reason(error))
  }
}

const { values, positionals } = usage()
const [name, more] = positionals
if (more !== undefined) refuse(more, 'one bench at a time')
if (name === undefined) {
  console.log(`npm run bench -- <name> [--json], where <name> is one of: ${list}`)
} else {
  if (!benches.includes(name)) refuse(JSON.stringify(name), 'there is no such bench')
  const { default: bench } = (await import(`./${name}.ts`)) as { default: Bench }
  const rows = await bench(line => console.error(line))
  console.log(values.json ? json(name, rows) : table(rows))
  process.exitCode = rows.every(({ ok }) => ok) ? 0 : 1
}
