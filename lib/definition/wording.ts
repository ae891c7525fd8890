/** Names values, fields and files of a definition in one line for people. */

const longest = 60

// Line breaks, control characters, characters that change the direction of text, and blanks that look like a space.
const unclear = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u

/** The text on one line, with \u escapes where needed. */
function escaped(text: string): string {
  return text.replace(
    new RegExp(unclear, 'gu'),
    character => `\\u{${(character.codePointAt(0) as number).toString(16)}}`,
  )
}

/** A JSON value that its author will recognise: a short scalar as written, any other by its kind. */
export function shown(value: unknown): string {
  if (typeof value === 'string') {
    return escaped(JSON.stringify(value.length > longest ? `${value.slice(0, longest)}…` : value))
  }
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : kind(value)
}

/** The kind of a JSON value, for fields whose values may be secret. */
export function kind(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : `an array of ${value.length}`
  if (typeof value === 'object') return 'an object'
  return `a ${typeof value}`
}

/** A file name, in quotes only when it would otherwise break the line. */
export function fileShown(file: string): string {
  return unclear.test(file) ? escaped(JSON.stringify(file)) : file
}

/** The path of a field: `run.command[0]`, `run.env["odd name"]`. */
export function fieldPath(path: readonly PropertyKey[]): string {
  let text = ''
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`
    else if (/^[\w$-]{1,60}$/.test(String(key))) text += text === '' ? String(key) : `.${String(key)}`
    else text += `[${shown(String(key))}]`
  }
  return text
}
