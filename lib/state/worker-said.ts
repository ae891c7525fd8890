/**
 * What the worker says of itself, in a file that it replaces. Each line is JSON. A partition that fails or is ready has
 * its hand-over line with `failing` or `ready` added. A line with `closed` says that the worker takes no more
 * partitions. Pure.
 */
import { parseHanded } from '../base/worker-line.ts'
import { confirms } from './worker-confirmations.ts'

interface Line {
  readonly id: string
  readonly token: string
  readonly since: string | null
  readonly failing: string | null
  readonly ready: boolean
}

const longest = 200

/** Why the worker takes no more partitions; null while it does. */
export function saysClosed(text: string | null): string | null {
  for (const value of valuesIn(text)) if (typeof value.closed === 'string') return oneLine(value.closed)
  return null
}

/** Why a partition fails, by its hand-over line; null when it does not. */
export function saysFailing(text: string | null, handed: string | null): string | null {
  return lineOf(text, handed)?.failing ?? null
}

export function saysReady(text: string | null, handed: string | null): boolean {
  return lineOf(text, handed)?.ready ?? false
}

function lineOf(text: string | null, handed: string | null): Line | null {
  const known = parseHanded(handed)
  const line = known === null ? undefined : linesOf(text).get(known.id)
  return known !== null && line !== undefined && confirms(line, known) ? line : null
}

let last: { readonly text: string | null; readonly lines: ReadonlyMap<string, Line> } | null = null

/** The lines by partition id. Kept, because it is asked for thousands of partitions in turn. */
function linesOf(text: string | null): ReadonlyMap<string, Line> {
  if (last?.text === text) return last.lines
  const lines = new Map(
    valuesIn(text).flatMap(({ id, token, since, failing, ready }): [string, Line][] => {
      if (typeof id !== 'string' || typeof token !== 'string') return []
      const why = typeof failing === 'string' ? oneLine(failing) : null
      return [[id, { id, token, since: typeof since === 'string' ? since : null, failing: why, ready: ready === true }]]
    }),
  )
  last = { text, lines }
  return lines
}

/** The values of the lines that are JSON objects; garbage is skipped. */
function valuesIn(text: string | null): Record<string, unknown>[] {
  if (text === null || text === '') return []
  return text.split('\n').flatMap(line => {
    try {
      const value: unknown = JSON.parse(line)
      return typeof value === 'object' && value !== null ? [value as Record<string, unknown>] : []
    } catch {
      return []
    }
  })
}

/** Made printable on one line. */
function oneLine(text: string): string {
  return (
    text
      .replace(/\p{Cc}+/gu, ' ')
      .trim()
      .slice(0, longest) || 'it does not say why'
  )
}
