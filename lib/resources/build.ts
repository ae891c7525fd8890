/**
 * Makes `dist/`, which the package exports as `watchbill/worker`: plain JavaScript without dependencies, since Node reads no
 * TypeScript below node_modules, and its types. Run by `npm pack`: node lib/resources/build.ts
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { build } from 'esbuild'

const here = import.meta.dirname
const root = resolve(here, '../..')

await build({
  entryPoints: [`${here}/resources.ts`],
  outfile: `${root}/dist/worker.js`,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  logLevel: 'warning',
})
writeFileSync(`${root}/dist/worker.d.ts`, declarations())

/** One file: what they import of each other is all in it. */
function declarations(): string {
  const directory = mkdtempSync(join(tmpdir(), 'watchbill-types-'))
  try {
    const flags = ['--declaration', '--emitDeclarationOnly', '--outDir', directory, '--rootDir', `${root}/lib`]
    const options = ['--ignoreConfig', '--allowImportingTsExtensions', '--skipLibCheck', '--types', 'node']
    const language = ['--module', 'nodenext', '--target', 'es2024']
    execFileSync(`${root}/node_modules/.bin/tsc`, [`${here}/resources.ts`, ...flags, ...options, ...language])
    const [types, functions] = ['types', 'resources'].map(name =>
      readFileSync(`${directory}/resources/${name}.d.ts`, 'utf8').replace(/^(import|export) type \{.*\n/gm, ''),
    )
    return `${types}${functions}`
  } finally {
    rmSync(directory, { recursive: true })
  }
}
