/** Reads a source's answer as partitions: ids, each with its document if it has one. Pure. */

import { reason } from '../base/errors.ts'
import { parseExact, rawNumber } from '../base/exact-json.ts'
import { encode } from '../base/names.ts'
import { pointedAt } from '../base/pointer.ts'
import type { Source } from '../definition/definition.ts'
import { mostDocument, mostIds } from '../definition/definition.ts'
import { doubledField, inWords, jsonFault } from '../definition/json.ts'
import { kind, shown } from '../definition/wording.ts'
import type { Item } from '../keys/partition-set.ts'

export interface Answer {
  /** The valid partitions, each id once. */
  readonly items: readonly Item[]
  /** The first error among the other items, with its place; null when there is none. */
  readonly fault: string | null
}

type Shape = Pick<Source, 'format' | 'items' | 'id'>

/** @throws Error with one line, when the text does not have the format that the definition says */
export function itemsIn(text: string, shape: Shape): Answer {
  if (shape.format === 'lines') return sorted(linesOf(text))
  const { items, fault } = sorted(elementsOf(parsed(text), shape))
  return { items, fault: doubledField(text) ?? fault }
}

/** A candidate for an item, and its place in words. */
interface Found {
  readonly place: string
  readonly id: unknown
  readonly document?: unknown
}

/** Ignores empty lines, and blanks around an id. */
function linesOf(text: string): Found[] {
  const lines = text.split('\n').map((line, index) => ({ place: `line ${index + 1}`, id: line.trim() }))
  return lines.filter(({ id }) => id !== '')
}

function parsed(text: string): unknown {
  try {
    return parseExact(text)
  } catch (error) {
    const fault = jsonFault(text)
    const where = fault && inWords(fault)
    throw new Error(`it is no JSON: ${where ?? reason(error)}`)
  }
}

function elementsOf(value: unknown, { items, id }: Shape): Found[] {
  const array = pointedAt(value, items)
  const where = items === '' ? 'it' : items
  if (array === undefined) throw new Error(`${where} is not there; it is ${kind(value)}`)
  if (!Array.isArray(array)) throw new Error(`${where} is ${kind(array)}, not an array`)
  return array.map((element, index) => {
    const place = `${items}/${index}`
    if (typeof element !== 'object' || element === null || rawNumber(element) !== null) return { place, id: element }
    return { place: `${place}${id}`, id: pointedAt(element, id), document: element }
  })
}

function sorted(found: readonly Found[]): Answer {
  if (found.length > mostIds) throw new Error(`it holds ${found.length} partitions; at most ${mostIds} are possible`)
  const items = new Map<string, Item>()
  let fault: string | null = null
  for (const { place, id, document } of found) {
    const number = rawNumber(id) === null ? id : Number(rawNumber(id))
    const name = Number.isSafeInteger(number) ? String(number) : id
    const problem = problemOf(name, document, items)
    if (problem === null)
      items.set(name as string, document === undefined ? { id: name as string } : { id: name as string, document })
    else fault ??= `${place}: ${problem}`
  }
  return { items: [...items.values()], fault }
}

function problemOf(id: unknown, document: unknown, known: ReadonlyMap<string, Item>): string | null {
  if (id === undefined) return 'there is no id'
  if (typeof id !== 'string') return `an id cannot be ${rawNumber(id) ?? shown(id)}`
  if (known.has(id)) return `${shown(id)} is there twice`
  if (!isId(id)) return `${shown(id)} is no id; it takes 1 to 200 bytes in a key, without control characters`
  const bytes = document === undefined ? 0 : Buffer.byteLength(JSON.stringify(document))
  return bytes > mostDocument ? `the document of ${shown(id)} takes ${bytes} bytes, more than ${mostDocument}` : null
}

function isId(id: string): boolean {
  if (id.length > 200) return false // encoding an id of megabytes would take seconds
  try {
    return encode(id) !== ''
  } catch {
    return false
  }
}
