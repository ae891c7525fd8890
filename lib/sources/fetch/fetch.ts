/** Fetches a set from the source that the definition names, within its time limit. */

import { reason, Temporary } from '../../base/errors.ts'
import type { Source, SourceFrom } from '../../definition/definition.ts'
import { fileShown } from '../../definition/wording.ts'
import { type Fetched, type Fetching, late } from './kind.ts'

/** How long a fetcher may exceed its limit, to end by itself, ms. */
const slack = 2000

/**
 * @returns null when nothing has changed since `validator`
 * @throws Temporary with one line that names the source and holds no secret
 */
export async function fetchSource({ from, timeoutMs }: Source, fetching: Fetching): Promise<Fetched | null> {
  const late = new AbortController()
  try {
    return await Promise.race([
      dispatch(from, { ...fetching, limit: timeoutMs }),
      // A program may leave its output open to others, and a file may lie on a disk that does not answer.
      noEnd(timeoutMs, late.signal),
    ])
  } catch (error) {
    throw unfetched(from, error)
  } finally {
    late.abort()
  }
}

/** The error line for every failed fetch. @param next what to do next */
export function unfetched(from: SourceFrom, why: unknown, next = 'mend it: it is tried again'): Temporary {
  return new Temporary(`cannot fetch the partitions from ${placeOf(from)}: ${reason(why)}; ${next}`)
}

async function dispatch(from: SourceFrom, fetching: Fetching & { readonly limit: number }): Promise<Fetched | null> {
  switch (from.kind) {
    case 'file':
      return (await import('./file.ts')).fetchFile(from, fetching)
    case 'http':
      return (await import('./http.ts')).fetchHttp(from, fetching)
    case 'command':
      return (await import('./command.ts')).fetchCommand(from, fetching)
    case 'module':
      return (await import('./command.ts')).fetchModule(from, fetching)
  }
}

function noEnd(limit: number, signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const timer = setTimeout(() => reject(new Error(late(limit))), limit + slack)
    signal.addEventListener('abort', () => clearTimeout(timer))
  })
}

/** The source in words, without the query of a URL and the arguments of a program: they may hold a secret. */
function placeOf(from: SourceFrom): string {
  if (from.kind === 'command') return fileShown(from.command[0] as string)
  if (from.kind !== 'http') return fileShown(from.path)
  const { origin, pathname } = new URL(from.url)
  return `${origin}${pathname}`
}
