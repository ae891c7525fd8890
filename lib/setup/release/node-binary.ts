/** The Node that runs a release's programs: a copy of the one that runs here, or one of the machine's. */
import { createHash } from 'node:crypto'
import {
  chmodSync,
  constants,
  copyFileSync,
  createReadStream,
  linkSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { dirname, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { Permanent } from '../../base/errors.ts'

export interface NodeBinary {
  /** Its absolute path when it stays outside the release; null when it becomes part of it. */
  readonly outside: string | null
  readonly source: string
  readonly size: number
  /** Changes when the binary does: compiled code fits one version only. */
  readonly identity: string
}

/** @param choice "include", or a path. @throws Permanent when that is not a Node that will do */
export async function chosenNode(choice: string): Promise<NodeBinary> {
  const source = choice === 'include' ? process.execPath : resolve(choice)
  const { size } = statSync(source, { throwIfNoEntry: false }) ?? { size: 0 }
  if (choice === 'include') return { outside: null, source, size, identity: await sumOf(source) }
  return { outside: source, source, size, identity: `${source} ${await versionOf(source)}` }
}

async function sumOf(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash)
  return hash.digest('hex')
}

/** Its version with the architecture: compiled code fits only both. */
async function versionOf(file: string): Promise<string> {
  const { execa } = await import('execa')
  const program = 'process.stdout.write(process.version + " " + process.arch)'
  const { stdout = '', failed } = await execa(file, ['-e', program], {
    reject: false,
    stdin: 'ignore',
    timeout: 10_000,
  })
  const [, major, minor] = /^v(\d+)\.(\d+)\./.exec(stdout)?.map(Number) ?? []
  if (major === undefined || minor === undefined || major < 22 || (major === 22 && minor < 19)) {
    const found = major === undefined || failed ? 'it does not run as one' : `it is ${stdout.split(' ')[0]}`
    throw new Permanent(`cannot use --node-binary ${file}: ${found}; give the path of a Node from 22.19 on`)
  }
  return stdout
}

/**
 * Makes a release's bin/node: a symbolic link to one that stays outside. Otherwise a hard link to the same one in the
 * release in force, or to the original, where nobody but this user can write to that; else a copy.
 */
export function placeNode({ outside, source, identity }: NodeBinary, release: string, current: string): void {
  const target = `${release}/bin/node`
  mkdirSync(dirname(target), { recursive: true })
  if (outside !== null) {
    symlinkSync(outside, target)
    return
  }
  const candidates = nodeOf(current) === identity ? [`${current}/bin/node`, source] : [source]
  if (candidates.some(candidate => link(candidate, target))) return
  copyFileSync(source, target, constants.COPYFILE_FICLONE)
  chmodSync(target, 0o755)
}

/** The Node of a release, from its package.json. */
function nodeOf(release: string): unknown {
  try {
    return JSON.parse(readFileSync(`${release}/package.json`, 'utf8')).node
  } catch {
    return null
  }
}

/** Makes no hard link to another file system, nor to a file of another user. */
function link(from: string, to: string): boolean {
  try {
    const { uid, mode } = statSync(from)
    if (uid !== process.getuid?.() || (mode & 0o022) !== 0 || (mode & 0o555) !== 0o555) return false
    linkSync(from, to)
    return true
  } catch {
    return false
  }
}
