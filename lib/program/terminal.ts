/** The terminal that stdout is: how large, and whether it takes colours. */

export interface Terminal {
  readonly columns: number
  readonly rows: number
  readonly colours: boolean
}

/** Null when stdout is no terminal: then a program reads it, which gets everything, and no colour. */
export function terminal(env: NodeJS.ProcessEnv = process.env, out: Partial<typeof process.stdout> = process.stdout) {
  if (!out.isTTY) return null
  // A terminal that tells no size is as large as the first ones.
  const size = { columns: out.columns || 80, rows: out.rows || 24 }
  return { ...size, colours: takesColours(env) } satisfies Terminal
}

/** https://no-color.org: any value that is not empty means none. */
export function takesColours({ NO_COLOR, TERM }: NodeJS.ProcessEnv): boolean {
  return !NO_COLOR && TERM !== 'dumb'
}

const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, inverse: 7 } as const

export type Look = keyof typeof codes

/** The text, which must be printable, in this look. */
export function painted(text: string, look: Look): string {
  return `\u001b[${codes[look]}m${text}\u001b[0m`
}
