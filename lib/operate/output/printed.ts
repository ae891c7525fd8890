/** Reads what a partition's process printed: first `output.1`, the older part that the guard moved there, then `output`. */
import { reason, Temporary } from '../../base/errors.ts'
import { type Part, partOf, tailOf, withoutHoles } from '../../base/tail.ts'
import { remedy } from '../../state/facts.ts'

const nothing: Part = { bytes: Buffer.alloc(0), size: 0 }
const newline = 10
/** How many of the last bytes are compared to find the reader's place again. */
const overlap = 256
/** The most bytes read of a file. It is longer only between two guard ticks, or because of a hole. */
const mostRead = 16 * 1024 * 1024

/** A reader's place: `offset` bytes into `output`, and the last bytes before it. */
export interface Place {
  readonly offset: number
  readonly last: Buffer
}

export interface Printed {
  readonly bytes: Buffer
  readonly place: Place
}

/** The whole output, or its last lines. @throws Temporary when it cannot be read */
export function printed(output: string, lines: number | null): Printed {
  const now = end(output)
  const bytes = withoutHoles(Buffer.concat([end(`${output}.1`).bytes, now.bytes]))
  return { bytes: lines === null ? bytes : lastLines(bytes, lines), place: placeAfter(now) }
}

/**
 * The output since `place`. When `output` grows too long, the guard copies its end to `output.1` and empties it, and the
 * process goes on writing at its beginning. The bytes before the place then differ: read the rest of `output.1` first.
 * @throws Temporary when it cannot be read
 */
export function printedSince(output: string, place: Place): Printed {
  const { offset, last } = place
  const before = read(output, () => partOf(output, offset - last.length, last.length))
  const now = before.bytes.equals(last) ? end(output, offset) : end(output)
  if (before.bytes.equals(last)) return { bytes: withoutHoles(now.bytes), place: placeAfter(now, place) }
  const rest = after(end(`${output}.1`).bytes, place)
  return { bytes: withoutHoles(Buffer.concat([rest, now.bytes])), place: placeAfter(now) }
}

/** The part of `output.1` after a place; all of it when the place is not found there. */
function after(aside: Buffer, { offset, last }: Place): Buffer {
  if (aside.subarray(offset - last.length, offset).equals(last)) return aside.subarray(offset)
  const found = aside.indexOf(last) // only the end of the file was kept
  return found < 0 ? aside : aside.subarray(found + last.length)
}

function placeAfter({ bytes, size }: Part, before?: Place): Place {
  if (bytes.length === 0 && before) return before
  const all = before === undefined ? bytes : Buffer.concat([before.last, bytes])
  return { offset: size, last: Buffer.from(all.subarray(Math.max(0, all.length - overlap))) }
}

/** The last line may lack its newline. */
function lastLines(bytes: Buffer, count: number): Buffer {
  let start = bytes.length
  for (let left = count; left > 0; left--) {
    if (start < 2) return bytes
    start = bytes.lastIndexOf(newline, start - 2) + 1 // the newline of the line before
    if (start === 0) return bytes
  }
  return bytes.subarray(start)
}

function end(file: string, from = 0): Part {
  return read(file, () => tailOf(file, mostRead, from))
}

/** A missing file counts as empty. */
function read(file: string, how: () => Part): Part {
  try {
    return how()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return nothing
    throw new Temporary(`cannot read ${file}: ${reason(error)}; ${remedy(error, 'mend the state directory')}`)
  }
}
