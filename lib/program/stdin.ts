/** Reads the whole of stdin without Node's streams, which take a tenth of a handler's start time. */
import { fstatSync, readSync } from 'node:fs'

/** The text on stdin; '' for a terminal or /dev/null. Stdin may be non-blocking: any process that shares it can set that. */
export function readStdin(): string {
  return fstatSync(0).isCharacterDevice() ? '' : readAll(0)
}

export function readAll(descriptor: number): string {
  const chunks: Buffer[] = []
  for (;;) {
    const chunk = Buffer.allocUnsafe(65_536)
    const read = readSome(descriptor, chunk)
    if (read === 0) return Buffer.concat(chunks).toString('utf8')
    if (read > 0) chunks.push(chunk.subarray(0, read))
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
  }
}

/** @returns how many bytes were read, -1 when none are there yet */
function readSome(descriptor: number, into: Buffer): number {
  try {
    return readSync(descriptor, into)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return -1
    throw error
  }
}
