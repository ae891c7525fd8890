/**
 * The programs as a release holds them: CommonJS, which Node starts faster than ES modules, one file per program, and
 * one for each module that is loaded only when it is needed, for esbuild does not split CommonJS. All lie in one
 * directory: `./<name>.cjs` is right from everywhere, and `import.meta.dirname`, which becomes `__dirname`, is one place.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { BuildOptions, Plugin } from 'esbuild'

export const root = resolve(import.meta.dirname, '../../..')

/** The names of the programs: every handlers/<name>.ts. */
export function programNames(): string[] {
  return readdirSync(`${root}/handlers`)
    .filter(file => file.endsWith('.ts'))
    .map(file => file.slice(0, -'.ts'.length))
    .sort()
}

/**
 * Bundles programs and the modules that they load late.
 * @param packages gets the directory of each package whose code is in a bundle
 * @returns the text of each file by its name, `<program>.cjs` or `<path.to.module>.cjs`; the same for the same sources,
 * wherever they lie
 */
export async function bundle(programs: readonly string[], packages = new Set<string>()): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  const late = new Set<string>()
  let next = programs.map(name => ({ out: name, in: `${root}/handlers/${name}.ts` }))
  while (next.length > 0) {
    for (const [file, text] of await built(next, late, packages)) files.set(file, text)
    next = [...late]
      .filter(file => !files.has(`${partName(file)}.cjs`))
      .map(file => ({ out: partName(file), in: file }))
  }
  return files
}

async function built(
  entryPoints: { in: string; out: string }[],
  late: Set<string>,
  packages: Set<string>,
): Promise<[string, string][]> {
  const { build } = await import('esbuild') // loaded here: a release has no esbuild, and need not bundle
  const { outputFiles, warnings, metafile } = await build({ ...options, entryPoints, plugins: [parts(late), ascii] })
  // A warning, such as about import.meta in CommonJS, would otherwise become a failure when the program runs.
  if (warnings[0]) throw new Error(`${warnings[0].location?.file}: ${warnings[0].text}`)
  for (const { inputs } of Object.values(metafile.outputs))
    for (const input of Object.keys(inputs)) addPackage(packages, resolve(root, input))
  return outputFiles.map(({ path, text }) => [path.slice(1), text])
}

/** The package of a file; none for our own files, also when this package is itself below node_modules. */
function addPackage(packages: Set<string>, file: string): void {
  const own = file.startsWith(`${root}/node_modules/`) || !file.startsWith(`${root}/`)
  const directory = own ? /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] : undefined
  if (directory !== undefined) packages.add(directory)
}

const options = {
  bundle: true,
  write: false,
  metafile: true,
  outdir: '/',
  outExtension: { '.js': '.cjs' },
  format: 'cjs',
  platform: 'node',
  target: 'node22',
  absWorkingDir: root,
  external: ['esbuild'],
  define: { 'import.meta.dirname': '__dirname' },
  // Otherwise `import()` stays in the bundle, and Node loads all of its ES module code to load a CommonJS file.
  supported: { 'dynamic-import': false },
  logLevel: 'silent',
} as const satisfies BuildOptions

/** esbuild escapes what strings hold, and leaves regular expressions as they are: those of liquidjs have letters with accents. */
const ascii: Plugin = {
  name: 'ascii',
  setup({ onLoad }) {
    onLoad({ filter: /\/node_modules\/liquidjs\/.*\.m?js$/ }, ({ path }) => {
      const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
      return { contents: readFileSync(path, 'utf8').replace(/[^\0-\x7f]/g, escaped), loader: 'js' }
    })
  },
}

/** Gives each module that is loaded late a file of its own: adds its path to `late`, and loads it from there. */
function parts(late: Set<string>): Plugin {
  return {
    name: 'parts',
    setup({ onResolve }) {
      onResolve({ filter: /^\.\.?\// }, ({ path, kind, resolveDir }) => {
        const file = resolve(resolveDir, path)
        if (kind !== 'dynamic-import') return null
        late.add(file)
        return { path: `./${partName(file)}.cjs`, external: true }
      })
    },
  }
}

/** A name from the whole path, since two modules may have the same basename: lib/definition/load.ts is lib.definition.load. */
function partName(file: string): string {
  return file
    .slice(root.length + 1)
    .replace(/\.[cm]?[jt]s$/, '')
    .replaceAll('/', '.')
}
