/**
 * Reads the end of a file that other programs write, in bounded time. A program that opens its output again as
 * /dev/stdout has an offset of its own. After the file was truncated, its next write leaves a hole of any length
 * before it.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

/** Some bytes of a file, and the length of the file when they were read. */
export interface Part {
  readonly bytes: Buffer
  readonly size: number
}

/** At most `most` bytes from `from` on. @throws Node's own errors */
export function partOf(file: string, from: number, most: number): Part {
  return reading(file, () => from, most)
}

/** At most the last `most` bytes, from `from` on. @throws Node's own errors */
export function tailOf(file: string, most: number, from = 0): Part {
  return reading(file, size => Math.max(from, size - most), most)
}

/** At most so many bytes from the start or the end of a file, as text; '' when it cannot be read. */
export function textOf(file: string, which: 'first' | 'last', most: number): string {
  try {
    const { bytes } = which === 'first' ? partOf(file, 0, most) : tailOf(file, most)
    return withoutHoles(bytes).toString()
  } catch {
    return ''
  }
}

function reading(file: string, start: (size: number) => number, most: number): Part {
  const descriptor = openSync(file, 'r')
  try {
    const { size } = fstatSync(descriptor)
    const from = start(size)
    const bytes = Buffer.alloc(Math.max(0, Math.min(most, size - from)))
    let read = 0
    for (let more = -1; more !== 0 && read < bytes.length; read += more) {
      more = readSync(descriptor, bytes, read, bytes.length - read, from + read)
    }
    return { bytes: bytes.subarray(0, read), size }
  } finally {
    closeSync(descriptor)
  }
}

/**
 * No program prints so many zero bytes in a row. A hole consists of whole pages, except for pages with data at its
 * ends.
 */
const hole = Buffer.alloc(2048)

/** The bytes without those that seem to be a hole. */
export function withoutHoles(bytes: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let from = 0; from < bytes.length; ) {
    const at = bytes.indexOf(hole, from)
    if (at < 0) return parts.length === 0 && from === 0 ? bytes : Buffer.concat([...parts, bytes.subarray(from)])
    parts.push(bytes.subarray(from, at))
    from = at + hole.length
    while (from < bytes.length && bytes[from] === 0) from++
  }
  return Buffer.concat(parts)
}
