/**
 * A ring file: rows of text of one width, as many as fit its time. `tail` and `head` explain it, since the second line
 * names the columns. A row's place follows from the boot clock, so one write keeps it, and no place has to be
 * remembered. A write needs no new block, so it works on a full disk too.
 *
 * The first line says which ring it is and which boot wrote it: times of another boot mean nothing now. A file with
 * another head or another size is torn, or not ours, and is begun anew.
 */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { bootId } from '../../base/clock.ts'

/** Name and width of each column. The first two of every ring: boot clock, ms; wall clock, s. */
export type Columns = Readonly<Record<string, number>>

export interface Ring {
  readonly kind: string
  readonly columns: Columns
  readonly rows: number
  /** The time that one row stands for, ms. */
  readonly every: number
  /** The width of a last column of free text; 0 for none. */
  readonly text?: number
}

/** One row. A figure that is not known is missing. */
export interface Row {
  /** Boot clock, ms. */
  readonly boot: number
  /** Wall clock, epoch seconds. */
  readonly at: number
  readonly figures: Readonly<Record<string, number>>
  readonly text: string
}

const times: Columns = { boot: 12, at: 11 }

/** Bytes of a row, with its newline. */
export function widthOf({ columns, text = 0 }: Ring): number {
  const widths = [...Object.values(times), ...Object.values(columns)]
  return widths.reduce((sum, width) => sum + width + 1, text > 0 ? text + 1 : 0)
}

/** Bytes of the file. */
export function sizeOf(ring: Ring): number {
  return widthOf(ring) * (ring.rows + 2)
}

/** What became of the file: `anew` when something else stood in its place. */
export type Kept = 'kept' | 'made' | 'anew'

/** Writes one row. @throws Node's own errors */
export function writeRow(file: string, ring: Ring, row: Row): Kept {
  const outcome = makeSure(file, ring)
  const descriptor = openSync(file, constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    writeSync(descriptor, lineOf(ring, row), placeOf(ring, row.boot))
  } finally {
    closeSync(descriptor)
  }
  return outcome
}

/** The newest rows, the newest first, as far back as so many places. None when there is no such ring of this boot. */
export function newestRows(file: string, ring: Ring, now: number, places: number): Row[] {
  return reading(file, [], (descriptor, size) => {
    if (size !== sizeOf(ring) || !hasHead(descriptor, ring)) return []
    const found: Row[] = []
    for (let back = 0; back < Math.min(places, ring.rows); back++) {
      const row = rowAt(descriptor, ring, placeOf(ring, now - back * ring.every))
      if (row !== null && row.boot <= now && now - row.boot <= (back + 1) * ring.every) found.push(row)
    }
    return found
  })
}

/** All rows that a ring of this boot holds, the oldest first: at most those of its time. */
export function allRows(file: string, ring: Ring, now: number): Row[] {
  const rows = newestRows(file, ring, now, ring.rows)
  return rows.reverse()
}

function makeSure(file: string, ring: Ring): Kept {
  const found = reading<Kept | 'other boot' | null>(file, null, (descriptor, size) => {
    if (size === sizeOf(ring) && hasHead(descriptor, ring)) return 'kept'
    return isOfOtherBoot(descriptor, ring) ? 'other boot' : 'anew'
  })
  if (found === 'kept') return found
  const fresh = `${file}.new`
  try {
    const blank = `${''.padEnd(widthOf(ring) - 1)}\n`
    writeFileSync(fresh, headOf(ring) + blank.repeat(ring.rows), { mode: 0o600 })
    renameSync(fresh, file)
  } catch (error) {
    rmSync(fresh, { force: true }) // a part of it would take the room that others need
    throw error
  }
  return found === 'anew' ? 'anew' : 'made'
}

/** `otherwise` when there is no file. A symbolic link or a pipe counts as something else in its place. */
function reading<T>(file: string, otherwise: T, read: (descriptor: number, size: number) => T): T {
  let descriptor: number
  try {
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return otherwise
    if (code === 'ELOOP') return read(-1, -1)
    throw error
  }
  try {
    const stat = fstatSync(descriptor)
    return stat.isFile() ? read(descriptor, stat.size) : read(-1, -1)
  } finally {
    closeSync(descriptor)
  }
}

function firstLine({ kind, rows, every }: Ring, boot: string): string {
  return `watchbill ${kind} 1 ${boot} ${rows} ${every}`
}

const heads = new WeakMap<Ring, string>()

function headOf(ring: Ring): string {
  const known = heads.get(ring) ?? newHead(ring)
  heads.set(ring, known)
  return known
}

function newHead(ring: Ring): string {
  const width = widthOf(ring) - 1
  const names = Object.entries({ ...times, ...ring.columns }).map(([name, size]) => name.padStart(size).slice(0, size))
  const columns = (ring.text ? [...names, 'figures'] : names).join(' ')
  return `${firstLine(ring, bootId()).padEnd(width)}\n${columns.padEnd(width)}\n`
}

function hasHead(descriptor: number, ring: Ring): boolean {
  return textAt(descriptor, 2 * widthOf(ring), 0) === headOf(ring)
}

function isOfOtherBoot(descriptor: number, ring: Ring): boolean {
  if (descriptor < 0) return false
  const [line = ''] = textAt(descriptor, widthOf(ring), 0).split('\n')
  const boot = line.split(' ')[3] ?? ''
  return boot !== bootId() && line.trimEnd() === firstLine(ring, boot)
}

function placeOf(ring: Ring, boot: number): number {
  const slot = Math.floor(boot / ring.every) % ring.rows
  return widthOf(ring) * (2 + (slot < 0 ? slot + ring.rows : slot))
}

const room = Buffer.alloc(4096)

function textAt(descriptor: number, length: number, at: number): string {
  if (descriptor < 0) return ''
  return room.toString('latin1', 0, readSync(descriptor, room, 0, Math.min(length, room.length), at))
}

function lineOf(ring: Ring, { boot, at, figures, text }: Row): string {
  const cells = Object.entries(ring.columns).map(([name, width]) => cell(figures[name], width))
  const line = [cell(boot, times.boot as number), cell(at, times.at as number), ...cells]
  // Only ASCII: a byte must be a character.
  if (ring.text)
    line.push(
      text
        .replace(/[^ -~]/g, '?')
        .slice(0, ring.text)
        .padEnd(ring.text),
    )
  return `${line.join(' ')}\n`
}

/** A number too long for its column is left out rather than cut: a cut one would be wrong. */
function cell(value: number | undefined, width: number): string {
  const text = value === undefined || !Number.isFinite(value) ? '-' : String(Math.round(value))
  return (text.length > width ? '-' : text).padStart(width)
}

/** Null for a blank row, and for one that does not read as it was written. */
function rowAt(descriptor: number, ring: Ring, place: number): Row | null {
  const width = widthOf(ring)
  const line = textAt(descriptor, width, place)
  if (line.length !== width || !line.endsWith('\n')) return null
  const read: Record<string, number> = {}
  let from = 0
  for (const [name, size] of Object.entries({ ...times, ...ring.columns })) {
    const text = line.slice(from, from + size).trimStart()
    from += size + 1
    if (text === '-') continue
    if (!/^-?\d+$/.test(text) || !/[ \n]/.test(line[from - 1] as string)) return null
    read[name] = Number(text)
  }
  const { boot, at, ...figures } = read
  if (boot === undefined || at === undefined) return null
  return { boot, at, figures, text: line.slice(from).trimEnd() }
}
