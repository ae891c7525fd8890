/** What is counted: the words of real texts, and the stream each of them goes to. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

export const streams = Array.from({ length: 16 }, (_, partition) => `words:${partition}`)

/** The licences that every Debian carries, and our own. */
const licenses = '/usr/share/common-licenses'
const own = ['LICENSE', 'README.md'].map(name => resolve(import.meta.dirname, '../..', name))

export function realWords(): string[] {
  const texts = [...entries(licenses), ...own].map(read)
  return texts.flatMap(text => text.toLowerCase().match(/\p{L}+/gu) ?? [])
}

/** A word is always in the same stream. */
export function streamOf(word: string): string {
  const hash = createHash('sha256').update(word).digest().readUInt32BE()
  return streams[hash % streams.length] as string
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder).map(name => join(folder, name))
  } catch {
    return [] // no Debian: our own texts will do
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
