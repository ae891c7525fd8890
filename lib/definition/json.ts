/**
 * Finds where a text is not the JSON that its author meant. JSON.parse gives no position for most mistakes and hides
 * some.
 */
import { kind, shown } from './wording.ts'

export type Fault = { line: number; column: number; problem: string }

type Want = 'value' | 'value or ]' | 'field' | 'field or }' | 'colon' | 'more' | 'end'

const wanted: Record<Want, string> = {
  value: 'a value',
  'value or ]': 'a value or "]"',
  field: 'a field name in double quotes',
  'field or }': 'a field name in double quotes or "}"',
  colon: '":"',
  more: '"," or the closing bracket',
  end: 'the end of the file',
}

/** The names seen so far in an object that is still open; null for an open array. */
type Open = Set<string> | null

const blank = /[ \t\r\n]*/y
const word = /[^\s{}[\],:"]+/y

function match(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0] ?? ''
}

/**
 * The next punctuation mark, string or word, read loosely: JSON.parse then checks each. Empty at the end of the text.
 */
function token(text: string, at: number): string {
  return text[at] === '"' ? quoted(text, at) : match(word, text, at) || text.slice(at, at + 1)
}

// Not a regular expression: with a string of millions of escapes it runs out of stack.
function quoted(text: string, at: number): string {
  let end = at + 1
  while (end < text.length && text[end] !== '"' && text[end] !== '\n') end += text[end] === '\\' ? 2 : 1
  return text[end] === '"' ? text.slice(at, end + 1) : '"'
}

/** The value of a string, number or word; undefined for a punctuation mark and for anything that is not JSON. */
function scalar(found: string): unknown {
  try {
    return JSON.parse(found)
  } catch {
    return undefined
  }
}

/** What may follow after `found`, when `want` was expected; null when `found` is not allowed there. */
function follow(want: Want, found: string, open: Open[]): Want | null {
  const top = open.at(-1)
  if (found === '}' && top && (want === 'field or }' || want === 'more')) return close(open)
  if (found === ']' && top === null && (want === 'value or ]' || want === 'more')) return close(open)
  if (want === 'more') return found !== ',' ? null : top ? 'field' : 'value'
  if (want === 'colon') return found === ':' ? 'value' : null
  if (want === 'field' || want === 'field or }') return typeof scalar(found) === 'string' ? 'colon' : null
  if (want === 'end') return null
  if (found === '{' || found === '[') return begin(found, open)
  return scalar(found) === undefined ? null : afterValue(open)
}

function begin(found: '{' | '[', open: Open[]): Want {
  open.push(found === '{' ? new Set() : null)
  return found === '{' ? 'field or }' : 'value or ]'
}

function close(open: Open[]): Want {
  open.pop()
  return afterValue(open)
}

function afterValue(open: Open[]): Want {
  return open.length > 0 ? 'more' : 'end'
}

/** Why a field name is refused although it is JSON; null when it is allowed. Remembers the name. */
function nameProblem(name: string, names: Open | undefined, copied: boolean): string | null {
  // Copying an object field by field would set its prototype instead, and silently lose the value.
  if (copied && name === '__proto__') return 'the name "__proto__" cannot be used; choose another one'
  if (names?.has(name)) return `the field ${shown(name)} is there twice; keep one`
  names?.add(name)
  return null
}

function syntaxProblem(want: Want, found: string): string {
  if (found === '') return `expected ${wanted[want]}, found the end of the file; complete the JSON`
  if (/^(?:\/[/*]|#)/.test(found)) return 'found a comment, which JSON does not have; remove it'
  const badString = found.length > 1 && found.startsWith('"') && scalar(found) === undefined
  if (badString) return 'found a string with a bad escape or a control character; correct it'
  return `expected ${wanted[want]}, found ${foundShown(found)}; correct the JSON`
}

/** Never shows a whole string: it may be a password, found because a colon is missing. */
function foundShown(found: string): string {
  if (found === '"') return 'a string that does not end'
  const value = scalar(found)
  return value === undefined ? shown(String.fromCodePoint(found.codePointAt(0) as number)) : kind(value)
}

function position(text: string, at: number): { line: number; column: number } {
  const before = text.slice(0, at).split('\n')
  return { line: before.length, column: (before.at(-1) as string).length + 1 }
}

/**
 * The first place where `text` is not JSON, has a field twice, or has a field name that JavaScript cannot copy; null
 * when there is none. Lines and columns count from 1. It keeps its own stack, so that deep nesting cannot exhaust
 * Node's.
 * @param copied false for JSON that is only passed on: its field names may be anything
 */
export function jsonFault(text: string, copied = true): Fault | null {
  const open: Open[] = []
  let want: Want = 'value'
  let at = 0
  for (;;) {
    at += match(blank, text, at).length
    if (at === text.length && want === 'end') return null
    const found = token(text, at)
    const next = follow(want, found, open)
    const problem =
      next === null
        ? syntaxProblem(want, found)
        : next === 'colon'
          ? nameProblem(scalar(found) as string, open.at(-1), copied)
          : null
    if (next === null || problem !== null) return { ...position(text, at), problem: problem as string }
    want = next
    at += found.length
  }
}

/** The position and the problem, without what to do about it. */
export function inWords({ line, column, problem }: Fault): string {
  return `line ${line}, column ${column}: ${problem.replace(/; [^;]*$/, '')}`
}

/** The first field that an object has twice, of which JSON.parse would keep only the last; null when there is none. */
export function doubledField(text: string): string | null {
  const fault = jsonFault(text, false)
  return fault && inWords(fault)
}
