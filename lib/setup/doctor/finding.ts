/** What a check says. */
export interface Finding {
  readonly level: 'ok' | 'warn' | 'unsafe'
  readonly sentence: string
  /** What to do about it; empty when nothing is to be done. */
  readonly todo: string
}

export function ok(sentence: string): Finding {
  return { level: 'ok', sentence, todo: '' }
}

/** It costs speed, or somebody's sleep; nothing runs twice because of it. */
export function warn(sentence: string, todo: string): Finding {
  return { level: 'warn', sentence, todo }
}

/** Processes may be killed, run twice or not at all, or others may do harm. */
export function unsafe(sentence: string, todo: string): Finding {
  return { level: 'unsafe', sentence, todo }
}
