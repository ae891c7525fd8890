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
  /** `<package version>-<hash of the contents>`: what bears this name never changes. */
  readonly version: string
  readonly directory: string
  /** It was not there, or not whole. */
  readonly built: boolean
  /** `current` named another one, or none. */
  readonly switched: boolean
  /** What Consul is to run the programs with, and their directory, through `current`. */
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

/** Makes a release of what is running here and puts it in force. @throws Permanent, Temporary */
export async function makeRelease({ home, node: choice, dryRun }: ReleaseOptions): Promise<Release> {
  const node = await chosenNode(choice)
  const contents = await contentsHere(node)
  const version = `${contents.version}-${hash(contents)}`
  const directory = `${home}/releases/${version}`
  const built = !isWhole(directory, contents, node)
  const programs = `${home}/current`
  const facts = { version, directory, built, programs, node: `${programs}/bin/run` }
  if (dryRun) return { ...facts, switched: false }
  process.umask(0o022) // Consul's user reads what root's 077 would hide
  if (built) attempt('make', directory, () => build(home, directory, contents, node))
  await warmOnce(directory)
  return { ...facts, switched: attempt('switch', programs, () => inForce(home, version)) }
}

/** 8 hexadecimal digits of everything that is in it. */
function hash({ files }: Contents): string {
  const sum = createHash('sha256')
  for (const [name, text] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) sum.update(`\0${name}\0${text}`)
  return sum.digest('hex').slice(0, 8)
}

/** A machine that lost its power may have kept names without contents. */
function isWhole(directory: string, { files }: Contents, { size }: NodeBinary): boolean {
  try {
    if (statSync(`${directory}/bin/node`).size !== size) return false
    return [...files].every(([name, text]) => readFileSync(`${directory}/${name}`, 'utf8') === text)
  } catch {
    return false
  }
}

/** Built beside, then renamed: nobody meets half a release, and of two builders at once one comes second. */
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

/** Without compiled code everything runs as well, only slower: nothing fails for want of it. */
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
