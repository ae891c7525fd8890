/** The result of a check. */
export interface Finding {
  readonly level: 'ok' | 'warn' | 'unsafe'
  readonly sentence: string
  /** What to do about it; empty for nothing. */
  readonly todo: string
}

export function ok(sentence: string): Finding {
  return { level: 'ok', sentence, todo: '' }
}

/** A problem of speed or of comfort: it cannot make a partition run twice. */
export function warn(sentence: string, todo: string): Finding {
  return { level: 'warn', sentence, todo }
}

/** Processes may be killed, run twice or not at all, or others may do harm. */
export function unsafe(sentence: string, todo: string): Finding {
  return { level: 'unsafe', sentence, todo }
}
