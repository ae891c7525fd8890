/** Shared by all kinds of source: the input of a fetcher, its result, and the limits of an answer. */
import { seconds } from '../../base/clock.ts'
import type { SourceFrom } from '../../definition/definition.ts'

export interface Fetched {
  readonly text: string
  /** Identifies this version of the answer (ETag, mtime), for the next `Fetching.validator`; null when there is none. */
  readonly validator: string | null
}

export interface Fetching {
  /** The validator of the last answer; null to fetch in any case. */
  readonly validator: string | null
  /** For a program or a module. */
  readonly cwd: string
  readonly environment: Readonly<Record<string, string>>
  /** Wraps its command, so that it stays within the limits of the definition. */
  readonly within?: (command: readonly string[]) => readonly string[]
}

/** A fetcher. @returns null when nothing has changed since `validator`. @throws Error with the reason, one line */
export type Fetch<Kind extends SourceFrom['kind']> = (
  from: Extract<SourceFrom, { kind: Kind }>,
  fetching: Fetching & { readonly limit: number },
) => Promise<Fetched | null>

/** The largest answer, bytes. */
export const mostBytes = 64 * 1024 * 1024

/** @param limit ms */
export function late(limit: number): string {
  return `no end within ${seconds(limit)}`
}

/** @throws Error when it is too long, or not UTF-8 */
export function textFrom(bytes: Uint8Array): string {
  if (bytes.length > mostBytes) throw new Error(`it is longer than ${mostBytes} bytes`)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new Error('it is not UTF-8')
  }
}
