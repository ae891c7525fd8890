/** What a partition's process printed: `output.1`, which the guard put aside when it grew too long, then `output`. */
import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs'
import { reason, Temporary } from '../errors.ts'

const nothing = Buffer.alloc(0)
const newline = 10
/** How much of what was printed last is looked for again, bytes. */
const overlap = 256

/** Where a reader is: `offset` bytes into `output`, and the last of them. */
export interface Place {
  readonly offset: number
  readonly last: Buffer
}

export interface Printed {
  readonly bytes: Buffer
  readonly place: Place
}

/** All there is, or its last lines. @throws Temporary when it cannot be read */
export function printed(output: string, lines: number | null): Printed {
  const now = readAll(output)
  const bytes = Buffer.concat([readAll(`${output}.1`), now])
  return { bytes: lines === null ? bytes : lastLines(bytes, lines), place: placeAfter(now) }
}

/**
 * What came since. The guard copies `output` to `output.1` and empties it, and the process goes on at its beginning: then
 * the rest of the copy comes first. That shows in the size, or in other bytes where the last ones were.
 * @throws Temporary when it cannot be read
 */
export function printedSince(output: string, place: Place): Printed {
  const seen = place.last.length
  const from = place.offset - seen
  const bytes = readFrom(output, from)
  if (bytes.subarray(0, seen).equals(place.last)) {
    return { bytes: bytes.subarray(seen), place: placeAt(place.offset + bytes.length - seen, bytes) }
  }
  const aside = readFrom(`${output}.1`, from)
  const rest = aside.subarray(0, seen).equals(place.last) ? aside.subarray(seen) : readAll(`${output}.1`)
  const fresh = readAll(output)
  return { bytes: Buffer.concat([rest, fresh]), place: placeAfter(fresh) }
}

function placeAfter(all: Buffer): Place {
  return placeAt(all.length, all)
}

function placeAt(offset: number, bytes: Buffer): Place {
  return { offset, last: Buffer.from(bytes.subarray(Math.max(0, bytes.length - overlap))) }
}

/** The last line may lack its newline. */
function lastLines(bytes: Buffer, count: number): Buffer {
  let start = bytes.length
  for (let left = count; left > 0; left--) {
    if (start < 2) return bytes
    start = bytes.lastIndexOf(newline, start - 2) + 1 // before this line's own
    if (start === 0) return bytes
  }
  return bytes.subarray(start)
}

function readAll(file: string): Buffer {
  return read(file, () => readFileSync(file))
}

function readFrom(file: string, from: number): Buffer {
  return read(file, () => {
    const descriptor = openSync(file, 'r')
    try {
      const bytes = Buffer.alloc(Math.max(0, fstatSync(descriptor).size - from))
      return bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, from))
    } finally {
      closeSync(descriptor)
    }
  })
}

/** One that is not there has nothing in it. */
function read(file: string, how: () => Buffer): Buffer {
  try {
    return how()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return nothing
    throw new Temporary(`cannot read ${file}: ${reason(error)}; run it as the user of the state directory`)
  }
}
