/** Fetches a set from a file. The file must be renamed into place: half a list of lines looks like a whole one. */
import { readFile, stat } from 'node:fs/promises'
import { type Fetch, mostBytes, textFrom } from './kind.ts'

export const fetchFile: Fetch<'file'> = async ({ path }, { validator }) => {
  const about = await stat(path, { bigint: true })
  if (!about.isFile()) throw new Error('it is no file') // reading a pipe would hang
  if (about.size > mostBytes) throw new Error(`it is longer than ${mostBytes} bytes`)
  const now = `${about.ino} ${about.size} ${about.mtimeNs}`
  return now === validator ? null : { text: textFrom(await readFile(path)), validator: now }
}
