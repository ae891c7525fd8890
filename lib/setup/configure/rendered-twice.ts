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

/**
 * Whether two entries can name one file: which partitions and versions there will be is not known here, so each may be any name.
 */
function areOne(one: string, other: string): boolean {
  return canMeet(tokensOf(one), tokensOf(other))
}

/** Beside single characters: any one character of a name, and any number of them. */
const any = 'any'
const more = 'more'

/** A partition or a version is one character, and more of them. */
function tokensOf(dest: string): readonly string[] {
  const [first = '', ...parts] = whereItLeads(dest).split(/\{(?:partition|version)\}/)
  return [...first, ...parts.flatMap(part => [any, more, ...part])]
}

/** Follows all ways of reading both at once, each pair of places once. */
function canMeet(one: readonly string[], other: readonly string[]): boolean {
  const seen = new Set<number>()
  const left = [[0, 0]]
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const [at = 0, to = 0] = next
    const place = at * (other.length + 1) + to
    if (seen.has(place)) continue
    seen.add(place)
    const [a, b] = [one[at], other[to]]
    if (a === undefined && b === undefined) return true
    if (a === more) left.push([at + 1, to])
    if (b === more) left.push([at, to + 1])
    if (a === undefined || b === undefined || !fits(a, b)) continue
    left.push([a === more ? at : at + 1, b === more ? to : to + 1])
  }
  return false
}

function fits(a: string, b: string): boolean {
  const isAny = [a, b].some(one => one === any || one === more)
  return isAny ? a !== '/' && b !== '/' : a === b
}

/** Two paths may lead to one directory, and a link at `dest` to the file of another entry. */
function whereItLeads(dest: string): string {
  const known = dest.split('{')[0] as string
  const there = known === dest ? dest : dirname(`${known}x`)
  try {
    return real(there) + dest.slice(there.length)
  } catch {
    return dest
  }
}

/** A link whose target is not there yet leads nowhere, and a directory may be made later. */
function real(path: string): string {
  return existsSync(path) ? realpathSync(path) : `${realpathSync(dirname(path))}/${basename(path)}`
}
