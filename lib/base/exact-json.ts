/**
 * JSON that others wrote and others will read: each number stays as it was written. JSON.parse alone would make
 * 9007199254740993 end in 2, 1e400 null, and 1.0, which Python tells from it, 1.
 */

/** A number as it was written; JSON.stringify writes it so again. TypeScript does not know it yet. */
interface RawNumber {
  readonly rawJSON: string
}

const { rawJSON, isRawJSON } = JSON as typeof JSON & {
  rawJSON(text: string): RawNumber
  isRawJSON(value: unknown): value is RawNumber
}

/** Whatever may not be the shortest way to write a number; a string that looks like one costs only time. */
const suspicious = /\d[\d.]{15}|\d[eE]|\.\d*0(?!\d)|-0/

/** @throws SyntaxError when it is no JSON */
export function parseExact(text: string): unknown {
  if (!suspicious.test(text)) return JSON.parse(text) // a reviver takes several times as long
  return JSON.parse(text, exactly as (key: string, value: unknown) => unknown)
}

function exactly(_key: string, value: unknown, { source }: { readonly source?: string }): unknown {
  return typeof value === 'number' && source !== undefined && String(value) !== source ? rawJSON(source) : value
}

/** The text of a number that JavaScript would write otherwise; null for any other value. */
export function rawNumber(value: unknown): string | null {
  return isRawJSON(value) ? value.rawJSON : null
}
