/** Appends to a file of the state directory, whatever stands in its place. */
import { closeSync, constants, openSync, rmSync, writeSync } from 'node:fs'

/** Nothing waits for the reader of a pipe, and no link leads to another file. @throws Node's own errors */
export function appendTo(file: string, text: string): void {
  const descriptor = openToAppend(file)
  try {
    writeSync(descriptor, text)
  } finally {
    closeSync(descriptor)
  }
}

function openToAppend(file: string): number {
  const flags =
    constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK
  try {
    return openSync(file, flags, 0o600)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ELOOP') throw error
    rmSync(file)
    return openSync(file, flags, 0o600)
  }
}
