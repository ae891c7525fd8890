/**
 * Keeps what processes print from filling the disk: what is too long is copied aside, and the process goes on at the
 * beginning of its file. The guard does this after the lease was extended, and it must end soon all the same.
 */
import { rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { reason } from '../base/errors.ts'
import { tailOf, withoutHoles } from '../base/tail.ts'

/** What a process may print before its output is put aside, and how much of it is kept then, bytes. */
export const mostOutput = 1024 * 1024
/** After so many ms the rest is left to the next call. */
const longEnough = 200

/**
 * Puts aside what is too long, the longest first.
 * @param say one line for each that cannot be put aside
 */
export function capOutputs(outputs: readonly string[], say: (line: string) => void): void {
  const begun = performance.now()
  const long = outputs.map(output => ({ output, room: roomOf(output) })).filter(({ room }) => room > mostOutput)
  for (const { output } of long.sort((a, b) => b.room - a.room)) {
    try {
      putAside(output)
    } catch (error) {
      say(`cannot put ${output} aside: ${reason(error)}`)
    }
    if (performance.now() - begun > longEnough) return
  }
}

/**
 * What a file takes of the disk, bytes. One whose writer has an offset of its own is long again as soon as it was
 * emptied, and takes little: it is put aside once as much was written into it. (Some file systems tell no blocks.)
 */
function roomOf(output: string): number {
  try {
    const found = statSync(output)
    return found.isFile() ? Math.min(found.size, found.blocks * 512 || found.size) : 0
  } catch {
    return 0 // nothing was printed yet
  }
}

/** Whatever goes wrong, such as a full disk: the room is given back. */
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
