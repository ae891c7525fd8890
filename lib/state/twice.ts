/**
 * A fact that is renewed in place, so that it takes no new block and no inode: a full disk fails a write and a rename,
 * and not this. The file holds the same line twice, `LINE\nLINE\n`, and both are written by one write at offset 0; it is
 * never truncated. All lines of a file are equally long, so that only the digits change.
 *
 * A reader that reads while another writes may see bytes of both texts. It believes a line only when the two copies are
 * equal, and otherwise reads again. Where the text changes once in the middle of a read, one of the two copies is of one
 * text only, so that two equal ones are the older text or the newer one. It would have to change twice, in each copy at
 * fitting places, to make something else; a read takes microseconds, and writes are milliseconds apart. A file of one
 * line was written by an older release, which renamed it into place.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, writeSync } from 'node:fs'
import { reason, Temporary } from '../base/errors.ts'
import { attempt, remedy, writeFact } from './facts.ts'

/** How often unequal copies are read: a write takes less than a microsecond. */
const tries = 5

/**
 * The line, without the spaces at its end; null when there is no such file, or it is not whole.
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
    return readFileSync(file, 'latin1')
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return null
    throw new Temporary(`cannot read ${file}: ${reason(error)}; ${remedy(error, 'mend the state directory')}`)
  }
}

/**
 * Writes the line, in place if the file is there already.
 * @param line as long as every other line of this file
 * @throws Temporary when that fails
 */
export function writeTwice(file: string, line: string): void {
  const text = `${line}\n${line}\n`
  if (overwrite(file, text, size => size === text.length)) return
  try {
    writeFact(file, `${line}\n${line}`)
  } catch (error) {
    // What an older release left is shorter, and its block has room for it.
    if (!overwrite(file, text, size => size < text.length)) throw error
  }
}

/** Whether it can still be written in place: its last byte is always the same. @throws Temporary when it cannot */
export function mustBeRenewable(file: string): void {
  inPlace(file, (descriptor, size) => {
    if (size > 0) writeSync(descriptor, '\n', size - 1)
    return true
  })
}

/** @returns false when there is no such file, or its size is not the right one */
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

/** null when there is no such file. A link that somebody put there is none: what we write must not go elsewhere. */
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
