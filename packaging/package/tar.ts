/** Writes tar archives (ustar) whose bytes depend on the tree and on one time only: root owns everything, paths are sorted. */
import type { Entry, Tree } from './tree.ts'
import { whole } from './tree.ts'

const block = 512
/** POSIX writes archives in records of 20 blocks. */
const record = 20 * block

/**
 * @param prefix stands before each path, such as "./" in a Debian package
 * @param time of every entry, seconds since 1970
 */
export function tar(tree: Tree, prefix: string, time: number): Buffer {
  const parts: Buffer[] = []
  if (prefix.endsWith('/')) parts.push(header(prefix, 'directory', time))
  for (const [path, entry] of whole(tree)) {
    parts.push(header(`${prefix}${path}${entry === 'directory' ? '/' : ''}`, entry, time))
    if (entry !== 'directory' && 'content' in entry) parts.push(entry.content, padding(entry.content.length, block))
  }
  parts.push(Buffer.alloc(2 * block))
  const size = parts.reduce((sum, { length }) => sum + length, 0)
  return Buffer.concat([...parts, padding(size, record)])
}

function padding(size: number, unit: number): Buffer {
  return Buffer.alloc((unit - (size % unit)) % unit)
}

function header(path: string, entry: Entry, time: number): Buffer {
  const bytes = Buffer.alloc(block)
  const { name, prefix } = split(path)
  const number = (value: number, at: number, length: number) =>
    bytes.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1')
  bytes.write(name, 0)
  number(modeOf(entry), 100, 8)
  number(0, 108, 8)
  number(0, 116, 8)
  number(entry !== 'directory' && 'content' in entry ? entry.content.length : 0, 124, 12)
  number(time, 136, 12)
  bytes.write('        ', 148) // the checksum counts itself as spaces
  bytes.write(entry === 'directory' ? '5' : 'target' in entry ? '2' : '0', 156)
  if (entry !== 'directory' && 'target' in entry) bytes.write(entry.target, 157)
  bytes.write('ustar\x0000', 257, 'latin1')
  bytes.write('root', 265)
  bytes.write('root', 297)
  bytes.write(prefix, 345)
  const sum = bytes.reduce((total, byte) => total + byte, 0)
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return bytes
}

function modeOf(entry: Entry): number {
  if (entry === 'directory') return 0o755
  return 'target' in entry ? 0o777 : entry.mode
}

/** A name has 100 bytes, and a prefix before a slash 155 more. */
function split(path: string): { name: string; prefix: string } {
  if (Buffer.byteLength(path) <= 100) return { name: path, prefix: '' }
  const at = path.indexOf('/', path.length - 101)
  if (at <= 0 || at > 155 || Buffer.byteLength(path) !== path.length) throw new Error(`${path} is too long for ustar`)
  return { name: path.slice(at + 1), prefix: path.slice(0, at) }
}
