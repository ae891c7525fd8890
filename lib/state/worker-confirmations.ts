/**
 * Partitions that the worker has stopped: it appends a line with the id and the token, best the line that it was
 * given. Pure.
 */
import type { Handed } from '../base/worker-line.ts'

export interface Confirmation {
  readonly id: string
  readonly token: string
  /** From the line that it was given; null when the worker left it out. */
  readonly since: string | null
}

/**
 * The complete lines from a position in the file on. Text after the last newline is still being written.
 * @param from a number of bytes; when the file has become shorter since, all of it is read
 * @returns the lines, and the position to read from next
 */
export function linesFrom(bytes: Buffer, from: number): { lines: string[]; next: number } {
  const start = from <= bytes.length ? from : 0
  const next = bytes.lastIndexOf(10) + 1
  if (next <= start) return { lines: [], next: start }
  const lines = bytes.toString('utf8', start, next - 1).split('\n')
  return { lines: lines.filter(line => line.trim() !== ''), next }
}

/** null for garbage. */
export function parseConfirmation(line: string): Confirmation | null {
  try {
    const value = JSON.parse(line) as Partial<Record<string, unknown>> | null
    if (typeof value !== 'object' || value === null) return null
    const { id, token, since } = value
    if (typeof id !== 'string' || typeof token !== 'string') return null
    return { id, token, since: typeof since === 'string' ? since : null }
  } catch {
    return null
  }
}

/** Whether it confirms this hand-over, and not an earlier one of the same partition. */
export function confirms({ id, token, since }: Confirmation, handed: Handed): boolean {
  return id === handed.id && token === handed.token && (since === null || since === handed.since)
}
