/** A Debian package: an `ar` archive of its format version, the control files, and the tree. */
import { createHash } from 'node:crypto'
import { type Compression, compressed, suffix } from './compress.ts'
import { tar } from './tar.ts'
import { file, type Tree } from './tree.ts'

/** @param control the control files by name: `control`, `postinst`, … @param time seconds since 1970, of everything in it */
export async function deb(tree: Tree, control: Tree, time: number, compression: Compression): Promise<Buffer> {
  const files = new Map([...control, ['md5sums', file(sums(tree))]])
  return ar(
    [
      ['debian-binary', Buffer.from('2.0\n')],
      [`control.tar.${suffix[compression]}`, await compressed(tar(files, './', time), compression)],
      [`data.tar.${suffix[compression]}`, await compressed(tar(tree, './', time), compression)],
    ],
    time,
  )
}

/** What `dpkg --verify` compares with. */
function sums(tree: Tree): string {
  const lines = [...tree].flatMap(([path, entry]) =>
    entry !== 'directory' && 'content' in entry
      ? `${createHash('md5').update(entry.content).digest('hex')}  ${path}\n`
      : [],
  )
  return lines.sort((a, b) => (a.slice(34) < b.slice(34) ? -1 : 1)).join('')
}

/** The size of a tree as dpkg counts it: KiB, each file rounded up, and one for each directory and link. */
export function installedSize(tree: Tree): number {
  const sizes = [...tree.values()].map(entry =>
    entry !== 'directory' && 'content' in entry ? Math.ceil(entry.content.length / 1024) : 1,
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

function ar(members: readonly (readonly [string, Buffer])[], time: number): Buffer {
  const parts: Buffer[] = [Buffer.from('!<arch>\n')]
  for (const [name, content] of members) {
    const fields: [string | number, number][] = [
      [name, 16],
      [time, 12],
      [0, 6],
      [0, 6],
      ['100644', 8],
      [content.length, 10],
    ]
    const header = fields.map(([value, width]) => String(value).padEnd(width)).join('')
    parts.push(Buffer.from(`${header}\`\n`), content, Buffer.alloc(content.length % 2, '\n'))
  }
  return Buffer.concat(parts)
}
