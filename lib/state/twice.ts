/**
 * A fact that is rewritten in place. That needs no new block and no inode, so it works on a full disk, where a new file
 * and a rename fail. The file holds the same line twice, `LINE\nLINE\n`. One write at offset 0 writes both copies, and
 * the file is never truncated. All lines of a file have the same length, so only digits change.
 *
 * A reader may see bytes of two texts while another process writes. It believes the line only when the two copies are
 * equal, and otherwise reads again. When the text changes once during a read, at least one copy is of a single text, so
 * equal copies hold the older or the newer text. Only two changes during one read, at matching places in both copies,
 * could produce another text; a read takes microseconds, and writes are milliseconds apart. A file with one line was
 * written by an older release, which renamed it into place.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, writeSync } from 'node:fs'
import { reason, Temporary } from '../base/errors.ts'
import { attempt, remedy, writeFact } from './facts.ts'

/** How often the file is read while the copies differ: a write takes less than a microsecond. */
const tries = 5

/**
 * The line without the spaces at its end; null when the file does not exist, or its copies differ.
 * @throws Temporary when it cannot be read
 */
export function readTwice(file: string): string | null {
  for (let left = tries; left > 0; left--) {
    const text = textOf(file)
    if (text === null) return null
    const [line = '', copy, rest] = text.split('\n')
    const isWhole = copy === line && rest === ''
    const isOlder = copy === '' && rest === undefined
    if (isWhole || isOlder) return line.trimEnd()
  }
  return null
}

function textOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8') // Node reads utf8 faster
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return null
    throw new Temporary(`cannot read ${file}: ${reason(error)}; ${remedy(error, 'mend the state directory')}`)
  }
}

/**
 * Writes the line, in place when the file exists.
 * @param line of the same length as every other line of this file
 * @throws Temporary when that fails
 */
export function writeTwice(file: string, line: string): void {
  const text = `${line}\n${line}\n`
  if (overwrite(file, text, size => size === text.length)) return
  try {
    writeFact(file, `${line}\n${line}`)
  } catch (error) {
    // The file of an older release is shorter, and its block has room for the new text.
    if (!overwrite(file, text, size => size < text.length)) throw error
  }
}

/**
 * Tests that it can still be written in place, by writing its last byte, which never changes.
 * @throws Temporary when it cannot
 */
export function mustBeRenewable(file: string): void {
  inPlace(file, (descriptor, size) => {
    if (size > 0) writeSync(descriptor, '\n', size - 1)
    return true
  })
}

/** @returns false when the file does not exist, or has another size */
function overwrite(file: string, text: string, isRight: (size: number) => boolean): boolean {
  return inPlace(file, (descriptor, size) => {
    if (!isRight(size)) return false
    if (writeSync(descriptor, text, 0) !== text.length) throw new Error('the disk took only a part of it')
    return true
  })
}

function inPlace(file: string, write: (descriptor: number, size: number) => boolean): boolean {
  return attempt(`write ${file}`, () => {
    const descriptor = openForWriting(file)
    if (descriptor === null) return false
    try {
      return write(descriptor, fstatSync(descriptor).size)
    } finally {
      closeSync(descriptor)
    }
  })
}

/** Null when the file does not exist. A symbolic link counts as missing: our writes must not go elsewhere. */
function openForWriting(file: string): number | null {
  try {
    return openSync(file, constants.O_WRONLY | constants.O_NOFOLLOW)
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ELOOP') return null
    throw error
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}
