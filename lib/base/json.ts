/**
 * Parses Consul's answers. Apart from consul/http.ts, so that a program that is given a connection need not load that
 * file.
 */
import { Temporary } from './errors.ts'

/** @throws Temporary when it is not JSON */
export function parse<T>(path: string, text: string): T {
  try {
    return JSON.parse(text) as T
  } catch {
    throw new Temporary(`cannot read Consul's answer to ${path}: it is not JSON; it is tried again`)
  }
}

/** The fields of a JSON object; none when the text is not an object: anybody may have written it. */
export function fieldsIn(text: string | null, read: (text: string) => unknown = JSON.parse): Record<string, unknown> {
  try {
    const value = read(text ?? '{}')
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

/** The value of such a field when it is a text; otherwise empty. */
export function textIn(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
