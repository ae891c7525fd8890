/** Reads a definition file, and decides whether a failure is permanent. */
import { readFile, stat } from 'node:fs/promises'
import { getSystemErrorMessage } from 'node:util'
import { Permanent, Temporary } from '../base/errors.ts'
import { fileShown } from './wording.ts'

const mostBytes = 32 * 1024 * 1024

/** The error of every refused definition, on one line. */
export function refusal(file: string, problem: string): Permanent {
  return new Permanent(`cannot use the definition ${fileShown(file)}: ${problem}`)
}

/**
 * The text of a definition file.
 * @throws Permanent when the file does not exist or cannot be a definition.
 * @throws Temporary when it cannot be read now but may be readable later.
 */
export async function readText(file: string): Promise<string> {
  let bytes: Buffer
  try {
    const { size } = await regularFile(file)
    if (size > mostBytes) throw refusal(file, `it is larger than ${mostBytes} bytes; make it smaller`)
    bytes = await readFile(file)
  } catch (error) {
    throw error instanceof Permanent ? error : unreadable(file, error as NodeJS.ErrnoException)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw refusal(file, 'it is not UTF-8; save it as UTF-8')
  }
}

/**
 * Refuses anything but a regular file: reading a pipe or a device could block the program, and the watch that runs it.
 */
async function regularFile(file: string) {
  const about = await stat(file)
  if (!about.isFile()) throw refusal(file, 'it is not a file; name the JSON file itself')
  return about
}

const lasting: Record<string, string> = {
  ENOENT: 'there is no such file; write it, or set WATCHBILL_CONFIG to the directory it is in',
  EACCES: 'it may not be read; let the user that runs the Consul agent read it',
  EPERM: 'it may not be read; let the user that runs the Consul agent read it',
  ENOTDIR: 'a part of its path is not a directory; correct the path',
  ELOOP: 'its path is a loop of symbolic links; correct the path',
  ENAMETOOLONG: 'its name is too long; use a shorter one',
  ERR_INVALID_ARG_VALUE: 'its name holds a NUL character; correct the path',
}

function unreadable(file: string, { code = '', errno }: NodeJS.ErrnoException): Error {
  if (lasting[code]) return refusal(file, lasting[code])
  const why = errno === undefined ? code : getSystemErrorMessage(errno)
  return new Temporary(`cannot read the definition ${fileShown(file)}: ${why}; try again`)
}
