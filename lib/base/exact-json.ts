/**
 * JSON that passes through unchanged: each number stays as it was written. JSON.parse and JSON.stringify alone would
 * turn 9007199254740993 into 9007199254740992, 1e400 into null, and 1.0 into 1, which is another type in Python.
 */

/**
 * A number as it was written, from JSON.rawJSON; JSON.stringify writes it back unchanged. TypeScript lacks the type.
 */
interface RawNumber {
  readonly rawJSON: string
}

const { rawJSON, isRawJSON } = JSON as typeof JSON & {
  rawJSON(text: string): RawNumber
  isRawJSON(value: unknown): value is RawNumber
}

/** A number that may not be in its shortest form. A string that looks like one also matches: that only costs time. */
const suspicious = /\d[\d.]{15}|\d[eE]|\.\d*0(?!\d)|-0/

/** @throws SyntaxError when it is not JSON */
export function parseExact(text: string): unknown {
  if (!suspicious.test(text)) return JSON.parse(text) // a reviver takes several times as long
  return JSON.parse(text, exactly as (key: string, value: unknown) => unknown)
}

function exactly(_key: string, value: unknown, { source }: { readonly source?: string }): unknown {
  return typeof value === 'number' && source !== undefined && String(value) !== source ? rawJSON(source) : value
}

/** The text of a number that JavaScript would write differently; null for any other value. */
export function rawNumber(value: unknown): string | null {
  return isRawJSON(value) ? value.rawJSON : null
}
