/** The file without a name from which the shepherd of a command reads the end of its lease. */

import { openSync, unlinkSync, writeSync } from 'node:fs'
import { Temporary } from '../base/errors.ts'

/** An unlinked file, which only processes that inherit its descriptor can use. Nothing is left of it after any kind of exit. */
export function unnamedFile(): number {
  const uuid = `${process.pid}-${Math.random().toString(36).slice(2)}`
  for (const folder of [process.env.XDG_RUNTIME_DIR, '/dev/shm', '/run', '/tmp']) {
    if (!folder) continue
    const name = `${folder}/watchbill-lock-${uuid}`
    try {
      const file = openSync(name, 'wx+', 0o600)
      unlinkSync(name)
      writeSync(file, '\n', 0)
      return file
    } catch {
      // read-only, full, or not ours to write
    }
  }
  throw new Temporary('cannot keep a lease: no file can be made in /dev/shm, /run or /tmp; make room there')
}
