/** The instance's log: one line per fact, at most two files of 1 MiB. */
import { appendFileSync, renameSync, statSync } from 'node:fs'
import { printable } from '../base/printable.ts'

const most = 1024 * 1024

/** Appends a line with the time. A log that cannot be written must not stop the work: the reason goes to stderr. */
export function appendLog(file: string, line: string): void {
  try {
    if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > most) renameSync(file, `${file}.1`)
    appendFileSync(file, `${new Date().toISOString()} ${printable(line)}\n`, { mode: 0o600 })
  } catch (error) {
    console.error(`cannot write ${file}: ${(error as Error).message}`)
  }
}
