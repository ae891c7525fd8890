/**
 * A release: everything that Consul's agent runs, in one directory that needs nothing else: no node_modules, no
 * TypeScript, no Node of the machine's. `<home>/current` names the one in force and is switched by a rename, which
 * restarts nothing: shepherds go on from the file they began with.
 *
 *   <home>/current -> releases/<version>
 *   <home>/releases/<version>/
 *     watchbill         runs the programs by hand
 *     <program>.cjs     what Consul runs: see entry.cjs
 *     lib/              the bundles, launch.sh and shepherd.sh
 *     cache/            their compiled code
 *     bin/node          the Node that runs them, or a link to one outside
 *     bin/run           runs them with it: see caller.sh
 *     package.json
 *     LICENSE*          watchbill's, Node's, and those of the packages that are bundled
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { reason } from '../../base/errors.ts'
import { debugLine } from '../../program/frame.ts'
import { attempt } from '../install.ts'
import { type Contents, contentsHere } from './contents.ts'
import { chosenNode, type NodeBinary, placeNode } from './node-binary.ts'
import { prune } from './prune.ts'
import { switchTo } from './switch.ts'

export interface Release {
  /** `<package version>-<hash of the contents>`: the release with this name never changes. */
  readonly version: string
  readonly directory: string
  /** Whether it was built, since it was missing or incomplete. */
  readonly built: boolean
  /** Whether `current` named another release before, or none. */
  readonly switched: boolean
  /** The file that Consul runs the programs with, and their directory, both through `current`. */
  readonly node: string
  readonly programs: string
}

export interface ReleaseOptions {
  /** An absolute path. */
  readonly home: string
  /** "include", or the path of a Node. */
  readonly node: string
  readonly dryRun: boolean
}

/** Builds a release of the code that runs here, and makes it the current one. @throws Permanent, Temporary */
export async function makeRelease({ home, node: choice, dryRun }: ReleaseOptions): Promise<Release> {
  const node = await chosenNode(choice)
  const contents = await contentsHere(node)
  const version = `${contents.version}-${hash(contents)}`
  const directory = `${home}/releases/${version}`
  const built = !isWhole(directory, contents, node)
  const programs = `${home}/current`
  const facts = { version, directory, built, programs, node: `${programs}/bin/run` }
  if (dryRun) return { ...facts, switched: false }
  process.umask(0o022) // Consul's user must be able to read the files, which root's umask 077 would prevent
  if (built) attempt('make', directory, () => build(home, directory, contents, node))
  await warmOnce(directory)
  return { ...facts, switched: attempt('switch', programs, () => inForce(home, version)) }
}

/** A hash of the contents, 8 hexadecimal digits. */
function hash({ files }: Contents): string {
  const sum = createHash('sha256')
  for (const [name, text] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) sum.update(`\0${name}\0${text}`)
  return sum.digest('hex').slice(0, 8)
}

/** Whether the release is complete: after a power loss, files may exist without their contents. */
function isWhole(directory: string, { files }: Contents, { size }: NodeBinary): boolean {
  try {
    if (statSync(`${directory}/bin/node`).size !== size) return false
    return [...files].every(([name, text]) => readFileSync(`${directory}/${name}`, 'utf8') === text)
  } catch {
    return false
  }
}

/** Builds in another directory, then renames it: nobody sees half a release, and two builds at once do no harm. */
function build(home: string, directory: string, contents: Contents, node: NodeBinary): void {
  const fresh = `${dirname(directory)}/.${process.pid}.new`
  rmSync(fresh, { recursive: true, force: true })
  try {
    write(fresh, contents)
    placeNode(node, fresh, `${home}/current`)
    if (existsSync(directory) && !isWhole(directory, contents, node)) renameSync(directory, `${fresh}.broken`)
    renameSync(fresh, directory)
  } catch (error) {
    if (!isWhole(directory, contents, node)) throw error
  } finally {
    for (const left of [fresh, `${fresh}.broken`]) rmSync(left, { recursive: true, force: true })
  }
}

function write(directory: string, { files, executable }: Contents): void {
  for (const [name, text] of files) {
    mkdirSync(dirname(`${directory}/${name}`), { recursive: true })
    writeFileSync(`${directory}/${name}`, text, { mode: executable.has(name) ? 0o755 : 0o644 })
  }
}

/** Compiled code only makes programs start faster, so a failure here is not an error. */
async function warmOnce(directory: string): Promise<void> {
  const done = `${directory}/cache/done`
  if (existsSync(done)) return
  const { warm } = await import('./warm.ts')
  try {
    await warm(directory)
    writeFileSync(done, '')
  } catch (error) {
    debugLine(`no compiled code is kept: ${reason(error)}`)
  }
}

function inForce(home: string, version: string): boolean {
  const now = new Date()
  utimesSync(`${home}/releases/${version}`, now, now) // the newest, for `prune`
  const switched = switchTo(home, version)
  prune(home, version)
  return switched
}
