/** What a partition's process printed: `output.1`, which the guard put aside when it grew too long, then `output`. */
import { reason, Temporary } from '../../base/errors.ts'
import { type Part, partOf, tailOf, withoutHoles } from '../../base/tail.ts'
import { remedy } from '../../state/facts.ts'

const nothing: Part = { bytes: Buffer.alloc(0), size: 0 }
const newline = 10
/** How much of what was printed last is looked for again, bytes. */
const overlap = 256
/** How much of a file is read at most: more than that is there only between two ticks, or is a hole, bytes. */
const mostRead = 16 * 1024 * 1024

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
  const now = end(output)
  const bytes = withoutHoles(Buffer.concat([end(`${output}.1`).bytes, now.bytes]))
  return { bytes: lines === null ? bytes : lastLines(bytes, lines), place: placeAfter(now) }
}

/**
 * What came since. The guard puts the end of `output` aside as `output.1` and empties it, and the process goes on at its
 * beginning: then the rest of what was put aside comes first. That shows in other bytes where the last ones were.
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

/** What follows a place in what was put aside; all of it when the place is not there. */
function after(aside: Buffer, { offset, last }: Place): Buffer {
  if (aside.subarray(offset - last.length, offset).equals(last)) return aside.subarray(offset)
  const found = aside.indexOf(last) // its beginning was not kept
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
    start = bytes.lastIndexOf(newline, start - 2) + 1 // before this line's own
    if (start === 0) return bytes
  }
  return bytes.subarray(start)
}

function end(file: string, from = 0): Part {
  return read(file, () => tailOf(file, mostRead, from))
}

/** One that is not there has nothing in it. */
function read(file: string, how: () => Part): Part {
  try {
    return how()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return nothing
    throw new Temporary(`cannot read ${file}: ${reason(error)}; ${remedy(error, 'mend the state directory')}`)
  }
}
