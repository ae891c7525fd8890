/** The files of a release as text: bundled from the sources, or read from the release that runs here. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { linesFile, programsIn } from '../../program/programs.ts'
import { licencesOf, nodeLicence, nodeLicenceFile } from './licences.ts'
import type { NodeBinary } from './node-binary.ts'

export interface Contents {
  /** The package's version. */
  readonly version: string
  /** Text by path, of every file but bin/node and the compiled code. */
  readonly files: ReadonlyMap<string, string>
  readonly executable: ReadonlySet<string>
}

/** The release that this program runs from; null when it runs from its sources. */
export function ownRelease(): string | null {
  const directory = resolve(import.meta.dirname, '..') // bundled into <release>/lib
  return existsSync(`${directory}/package.json`) ? directory : null
}

/** @param node the Node it is for */
export async function contentsHere(node: NodeBinary): Promise<Contents> {
  const own = ownRelease()
  const files = own === null ? await fromSources() : fromRelease(own)
  const { name, version } = JSON.parse(files.get('package.json') as string)
  files.set('package.json', `${JSON.stringify({ name, version, type: 'commonjs', node: node.identity }, null, 2)}\n`)
  if (node.outside === null) files.set(nodeLicenceFile, nodeLicence(node.source))
  else files.delete(nodeLicenceFile)
  return { version, files, executable: new Set([...files.keys()].filter(isExecutable)) }
}

/** lib/caller.sh is only read by other scripts. */
function isExecutable(file: string): boolean {
  return file === 'watchbill' || file === 'bin/run' || (file.endsWith('.sh') && file !== 'lib/caller.sh')
}

/** Files that the programs run or load and that are not bundled. */
const beside = [
  'lib/setup/release/keep.cjs',
  'lib/setup/release/caller.sh',
  'lib/definition/confine.sh',
  'lib/definition/definition.schema.json',
  'lib/machine/init.sh',
  'lib/machine/launch.sh',
  'lib/process/shepherd/shepherd.sh',
  'lib/process/shepherd/clock.sh',
  'lib/lock/lock-shepherd.sh',
  'lib/checks/check.sh',
  'lib/hooks/hook.sh',
  'lib/sources/fetch/run-module.mjs',
  'lib/scheduler/assign.sh',
  'lib/scheduler/run-assign.mjs',
  'lib/operate/complete/watchbill.bash',
  'lib/operate/complete/watchbill.zsh',
  'lib/operate/complete/watchbill.fish',
]

async function fromSources(): Promise<Map<string, string>> {
  const { bundle, programNames, root } = await import('./bundle.ts')
  const text = (file: string) => readFileSync(`${root}/${file}`, 'utf8')
  const programs = programNames()
  const files = new Map([['package.json', text('package.json')]])
  const packages = new Set<string>()
  for (const [name, bundled] of await bundle(programs, packages)) files.set(`lib/${name}`, bundled)
  for (const program of programs) files.set(`${program}.cjs`, text('lib/setup/release/entry.cjs'))
  for (const file of beside) files.set(`lib/${basename(file)}`, text(file))
  const { buildClient, clientFiles } = await import('./page-client.ts')
  const client = await buildClient(packages)
  files.set(`lib/${clientFiles.script}`, client.script).set(`lib/${clientFiles.style}`, client.style)
  files.set(`lib/${linesFile}`, `${JSON.stringify(Object.fromEntries(programsIn(`${root}/handlers`)))}\n`)
  files.set('bin/run', text('lib/setup/release/run.sh'))
  files.set('LICENSE', text('LICENSE')).set('LICENSES', licencesOf(packages))
  return files.set('watchbill', text('lib/setup/release/watchbill.sh'))
}

function fromRelease(release: string): Map<string, string> {
  const files = readdirSync(release, { withFileTypes: true })
  const parts = readdirSync(`${release}/lib`).map(name => `lib/${name}`)
  const names = [...files.flatMap(entry => (entry.isFile() ? [entry.name] : [])), 'bin/run', ...parts]
  return new Map(names.map(name => [name, readFileSync(`${release}/${name}`, 'utf8')]))
}
