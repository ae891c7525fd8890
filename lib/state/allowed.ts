/**
 * The bounds of this machine in force: those of the limits file, or the last good ones while the file is garbled, cannot be
 * read, or may be written by others. What runs goes on, whatever the file says; only what is started is compared with it.
 * Where there never were good ones, nothing is started: root wanted bounds, and nobody knows which.
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { reason } from '../base/errors.ts'
import { decode } from '../base/names.ts'
import { type Bounds, boundsIn, refused } from '../definition/bounds.ts'
import type { Definition } from '../definition/definition.ts'
import { outside, sumOutside } from '../definition/within.ts'
import { directoriesIn, readFact, writeFact } from './facts.ts'
import { limitsFile } from './limits-path.ts'
import { notRootsAlone } from './roots-own.ts'

export interface Allowed {
  /** Tells versions of the file apart without reading it. */
  readonly stamp: string
  /** Null when there never were good ones. */
  readonly bounds: Bounds | null
  /** What is wrong with the file as it is now; null when nothing is. */
  readonly problem: string | null
}

/**
 * @param directory of the instance; null for a program without one, such as configure
 * @param keep false when nothing may be written down
 */
export function allowed(directory: string | null, keep = true): Allowed {
  const file = limitsFile()
  const fact = directory === null ? null : `${directory}/limits.json`
  const known = fact === null ? null : parsed(readFact(fact))
  const stamp = stampOf(file)
  if (known?.stamp === stamp) return known
  const now = readNow(file, stamp, known?.bounds ?? null)
  if (fact !== null && keep) writeFact(fact, JSON.stringify(now))
  return now
}

function parsed(text: string | null): Allowed | null {
  try {
    return text === null ? null : (JSON.parse(text) as Allowed)
  } catch {
    return null // a damaged disk
  }
}

/** With its directory: who may write there may replace it. */
function stampOf(file: string): string {
  const own = statSync(file, { throwIfNoEntry: false })
  const above = statSync(dirname(file), { throwIfNoEntry: false })
  const words = [own?.ino, own?.size, own?.mtimeMs, own?.ctimeMs, own?.uid, own?.mode, above?.uid, above?.mode]
  return `${file} ${words.join(' ')}`
}

function readNow(file: string, stamp: string, last: Bounds | null): Allowed {
  try {
    const problem = notRootsAlone(file)
    if (problem !== null) throw refused(file, problem)
    return { stamp, bounds: boundsIn(readFileSync(file, 'utf8'), file), problem: null }
  } catch (error) {
    return { stamp, bounds: last, problem: reason(error) }
  }
}

/** Why no command of this definition may be started, in one line; null when they may. */
export function refusalOf(directory: string, definition: Definition, keep = true): string | null {
  const { bounds, problem } = allowed(directory, keep)
  if (bounds === null) return `${problem}; nothing is started until it is mended`
  const found = outside(definition, bounds) ?? sumOutside(definition, earlierThan(directory, definition), bounds)
  return found === null ? null : inWords(found)
}

/** For a definition that is offered: every other one in force counts before it. @throws nothing */
export function refusalOfOffered(directory: string, definition: Definition, keep: boolean): string | null {
  const { bounds, problem } = allowed(directory, keep)
  if (bounds === null) return problem
  const others = othersThan(directory, definition).map(({ definition }) => definition)
  const found = outside(definition, bounds) ?? sumOutside(definition, others, bounds)
  return found === null ? null : inWords(found)
}

/** For doctor, which writes nothing down: by the file as it is now. */
export function refusalFor(directory: string, definition: Definition): string | null {
  const { bounds, problem } = allowed(null)
  if (problem !== null || bounds === null) return problem
  const found = outside(definition, bounds) ?? sumOutside(definition, earlierThan(directory, definition), bounds)
  return found === null ? null : inWords(found)
}

export function inWords(found: string): string {
  return `${found}: ${limitsFile()} does not allow that; correct the definition, or have root allow it there`
}

interface Other {
  readonly name: string
  readonly since: number
  readonly definition: Definition
}

/** The definitions in force of the other instances with this state directory. */
function othersThan(directory: string, { id }: Definition): Other[] {
  return inForceIn(dirname(directory)).filter(
    ({ name, definition }) => name !== basename(directory) && definition.id !== id,
  )
}

/** @param ids of the instances that are left out, for they are about to get other definitions */
export function inForceBeside(stateRoot: string, ids: ReadonlySet<string>): Definition[] {
  return inForceIn(stateRoot).flatMap(({ definition }) => (ids.has(definition.id) ? [] : definition))
}

function inForceIn(root: string): Other[] {
  return directoriesIn(root).flatMap(name => {
    const file = `${root}/${name}/definition.json`
    const text = decode(name) === null || existsSync(`${root}/${name}/left`) ? null : readFact(file)
    const definition = text === null ? null : (parsedForce(text)?.definition ?? null)
    const since = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0
    return definition === null ? [] : [{ name, since, definition }]
  })
}

/** Of the fact of state/definition.ts. */
function parsedForce(text: string): { readonly definition: Definition } | null {
  try {
    return JSON.parse(text) as { definition: Definition }
  } catch {
    return null
  }
}

/** Two that came at the same time may both be in force: then the earlier one goes on, and the other is refused. */
function earlierThan(directory: string, definition: Definition): Definition[] {
  const own = statSync(`${directory}/definition.json`, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY
  return othersThan(directory, definition)
    .filter(({ since, name }) => since < own || (since === own && name < basename(directory)))
    .map(({ definition }) => definition)
}

/** What the limits file is to tell people at each look: what is wrong with it, or with the definition in force by it. */
export function troubleHere(directory: string, definition: Definition, keep = true): string | null {
  const { bounds, problem } = allowed(directory, keep)
  const why = refusalOf(directory, definition, keep)
  if (problem !== null)
    return `${problem} (${bounds === null ? 'nothing is started' : 'the last good limits stay in force'})`
  return why === null ? null : `${why} (what runs goes on, and nothing is started)`
}
