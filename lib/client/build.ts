/**
 * Makes `dist/`, which the package exports as `watchbill/worker` and `watchbill/client`: plain JavaScript without
 * dependencies, since Node reads no TypeScript below node_modules, and its types. Run by `npm pack`:
 * node lib/client/build.ts
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { build } from 'esbuild'

const root = resolve(import.meta.dirname, '../..')

for (const [name, entry, target] of [
  ['worker', 'client/worker/resources', 'node20'],
  ['client', 'client/client/client', 'node22'],
] as const) {
  await build({
    entryPoints: [`${root}/lib/${entry}.ts`],
    outfile: `${root}/dist/${name}.js`,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target,
    logLevel: 'warning',
  })
  writeFileSync(`${root}/dist/${name}.d.ts`, declarations(entry))
}

/** The types of an entry as one file: the types that it imports from `types.ts` beside it are included. */
function declarations(entry: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'watchbill-types-'))
  try {
    const flags = ['--declaration', '--emitDeclarationOnly', '--outDir', directory, '--rootDir', `${root}/lib`]
    const options = ['--ignoreConfig', '--allowImportingTsExtensions', '--skipLibCheck', '--types', 'node']
    const language = ['--module', 'nodenext', '--target', 'es2024']
    execFileSync(`${root}/node_modules/.bin/tsc`, [`${root}/lib/${entry}.ts`, ...flags, ...options, ...language])
    const [types, functions] = ['types', basename(entry)].map(name =>
      readFileSync(`${directory}/${dirname(entry)}/${name}.d.ts`, 'utf8').replace(/^(import|export) type \{.*\n/gm, ''),
    )
    return `${types}${functions}`
  } finally {
    rmSync(directory, { recursive: true })
  }
}
