/** Consul's answers as JSON; apart from the connection, so that who is handed one need not load it again. */
import { Temporary } from './errors.ts'

/** @throws Temporary when it is not JSON */
export function parse<T>(path: string, text: string): T {
  try {
    return JSON.parse(text) as T
  } catch {
    throw new Temporary(`cannot read Consul's answer to ${path}: it is not JSON; it is tried again`)
  }
}

/** The fields of an object that stands in a value; none when it is garbled: anybody may have written it. */
export function fieldsIn(text: string | null, read: (text: string) => unknown = JSON.parse): Record<string, unknown> {
  try {
    const value = read(text ?? '{}')
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

/** A text that stands in one of these fields; empty for whatever else does. */
export function textIn(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
