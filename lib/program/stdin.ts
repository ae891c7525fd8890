/** Reading stdin as a whole, without Node's streams, which cost a handler a tenth of its start. */
import { fstatSync, readSync } from 'node:fs'

/** What stands on stdin; '' for a terminal or /dev/null. It may be non-blocking: whoever shares it decides. */
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

/** -1 while there is nothing yet. */
function readSome(descriptor: number, into: Buffer): number {
  try {
    return readSync(descriptor, into)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return -1
    throw error
  }
}
