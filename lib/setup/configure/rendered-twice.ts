/** Refuses definitions of which two would render into one file: each would undo what the other does. */
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { loadDefinition } from '../../definition/load.ts'
import { refusal } from '../../definition/read.ts'
import type { Service } from './services.ts'

/** One entry of `render`. */
interface Place {
  readonly file: string
  readonly id: string
  readonly field: string
  readonly dest: string
}

/**
 * @param directory of Consul's configuration, where earlier runs wrote other services; null when that does not matter
 * @throws Permanent that names the field and both files
 */
export async function mustRenderApart(services: readonly Service[], directory: string | null): Promise<void> {
  const own = services.flatMap(placesOf)
  if (own.length === 0) return
  const ids = new Set(services.map(({ definition }) => definition.id))
  const others = directory === null ? [] : (await installedIn(directory)).filter(one => !ids.has(one.definition.id))
  const all = [...own, ...others.flatMap(placesOf)]
  for (const [at, one] of own.entries()) {
    const twin = all.slice(at + 1).find(other => areOne(one.dest, other.dest))
    if (twin === undefined) continue
    const where = twin.file === one.file ? `${twin.field} too` : `${twin.field} of ${twin.file} (${twin.id}) too`
    throw refusal(one.file, `${one.field}: ${one.dest} is rendered by ${where}; give one of them another dest`)
  }
}

function placesOf({ file, definition }: Service): Place[] {
  const { id, render = [] } = definition
  return render.map(({ dest }, at) => ({ file, id, field: `render[${at}].dest`, dest }))
}

/** The services that configure wrote before. One whose definition cannot be read renders nothing new. */
async function installedIn(directory: string): Promise<Service[]> {
  const names = existsSync(directory) ? readdirSync(directory).filter(name => /^watchbill-.*\.json$/.test(name)) : []
  const found = await Promise.all(names.map(name => serviceIn(`${directory}/${name}`).catch(() => null)))
  return found.filter(one => one !== null)
}

async function serviceIn(config: string): Promise<Service | null> {
  const { watches = [] } = JSON.parse(readFileSync(config, 'utf8')) as { watches?: { args?: string[] }[] }
  const args = watches[0]?.args ?? []
  const file = args[args.indexOf('--definition') + 1]
  return file === undefined ? null : { file, definition: await loadDefinition(file) }
}

/** Whether two entries can name one file: the names of partitions are not known here. */
function areOne(one: string, other: string): boolean {
  if (directoryOf(one) !== directoryOf(other)) return false
  const [a, b] = [partsOf(one), partsOf(other)]
  if (a.whole !== null && b.whole !== null) return a.whole === b.whole
  const begins = a.prefix.startsWith(b.prefix) || b.prefix.startsWith(a.prefix)
  const ends = a.suffix.endsWith(b.suffix) || b.suffix.endsWith(a.suffix)
  return begins && ends && isLongEnough(a, b) && isLongEnough(b, a)
}

/** A whole name must have room for both ends of a pattern, and for an id. */
function isLongEnough({ whole }: Parts, { whole: other, prefix, suffix }: Parts): boolean {
  return whole === null || other !== null || whole.length > prefix.length + suffix.length
}

interface Parts {
  /** Null for a name with a partition in it. */
  readonly whole: string | null
  readonly prefix: string
  readonly suffix: string
}

function partsOf(dest: string): Parts {
  const parts = basename(dest).split('{partition}')
  const [prefix = ''] = parts
  return parts.length === 1
    ? { whole: prefix, prefix, suffix: prefix }
    : { whole: null, prefix, suffix: parts.at(-1) ?? '' }
}

/** Two paths may lead to one directory. */
function directoryOf(dest: string): string {
  try {
    return realpathSync(dirname(dest))
  } catch {
    return dirname(dest)
  }
}
