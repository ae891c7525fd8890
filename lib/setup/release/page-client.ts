/** The page's script and style, bundled for browsers. Nothing that Consul's agent runs loads any of it. */
import { resolve } from 'node:path'

const root = resolve(import.meta.dirname, '../../..')

/** In a release both lie beside the bundles, under these names. */
export const clientFiles = { script: 'page-client.js', style: 'page-client.css' } as const

export interface Client {
  readonly script: string
  readonly style: string
}

/** @param packages gets the directory of each package whose code is in the bundle */
export async function buildClient(packages = new Set<string>()): Promise<Client> {
  const { build } = await import('esbuild') // a release has no esbuild, and its client is built already
  const { outputFiles, metafile } = await build({
    entryPoints: [`${root}/lib/page/client/main.ts`],
    outfile: '/page-client.js',
    absWorkingDir: root,
    bundle: true,
    write: false,
    minify: true,
    metafile: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    legalComments: 'none',
    logLevel: 'silent',
  })
  for (const input of Object.keys(metafile.inputs)) {
    const directory = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(resolve(root, input))?.[0]
    if (directory !== undefined) packages.add(directory)
  }
  const of = (end: string) => outputFiles.find(({ path }) => path.endsWith(end))?.text ?? ''
  return { script: of('.js'), style: of('.css') }
}
