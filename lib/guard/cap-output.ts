/**
 * Keeps the output of processes from filling the disk: the end of a long output is copied aside, and its file is emptied. The
 * guard does this after it has extended the lease, and only for a short time.
 */
import { rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { steadyClock } from '../base/clock.ts'
import { reason } from '../base/errors.ts'
import { tailOf, withoutHoles } from '../base/tail.ts'

/** How long an output may be before it is put aside, and how much of it is kept then, bytes. */
export const mostOutput = 1024 * 1024
/** After this time the other outputs are left to the next call, ms. */
const longEnough = 200

/**
 * Puts aside what is too long, the longest first.
 * @param say one line for each that cannot be put aside
 */
export function capOutputs(outputs: readonly string[], say: (line: string) => void): void {
  const begun = steadyClock()
  const long = outputs.map(output => ({ output, room: roomOf(output) })).filter(({ room }) => room > mostOutput)
  for (const { output } of long.sort((a, b) => b.room - a.room)) {
    try {
      putAside(output)
    } catch (error) {
      say(`cannot put ${output} aside: ${reason(error)}`)
    }
    if (steadyClock() - begun > longEnough) return
  }
}

/**
 * The disk space of a file, bytes. A file whose writer keeps its own offset is long again at its next write, but sparse: it is
 * put aside again only when as much was written to it. (Some file systems report no blocks.)
 */
function roomOf(output: string): number {
  try {
    const found = statSync(output)
    return found.isFile() ? Math.min(found.size, found.blocks * 512 || found.size) : 0
  } catch {
    return 0 // nothing was printed yet
  }
}

/** Empties the file also when its end cannot be kept, as on a full disk. */
function putAside(output: string): void {
  try {
    const kept = withoutHoles(tailOf(output, mostOutput).bytes)
    if (kept.length > 0) writeAside(`${output}.1`, kept)
  } finally {
    truncateSync(output)
  }
}

function writeAside(file: string, bytes: Buffer): void {
  try {
    writeFileSync(file, bytes, { mode: 0o600 })
  } catch (error) {
    rmSync(file, { force: true })
    throw error
  }
}
