/** JSON pointers (RFC 6901). */
import { rawNumber } from './exact-json.ts'

/**
 * The value that a pointer leads to; undefined when there is none. The definition's schema ensures a well-formed
 * pointer.
 */
export function pointedAt(value: unknown, pointer: string): unknown {
  let found = value
  for (const token of tokens(pointer)) {
    if (typeof found !== 'object' || found === null || rawNumber(found) !== null) return undefined
    if (!Object.hasOwn(found, token)) return undefined
    if (Array.isArray(found) && !/^(0|[1-9]\d*)$/.test(token)) return undefined
    found = (found as Record<string, unknown>)[token]
  }
  return found
}

function tokens(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map(token => token.replaceAll('~1', '/').replaceAll('~0', '~'))
}
