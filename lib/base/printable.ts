/** Makes text that others wrote safe to print to a terminal or a log. */

// Control characters (C0, DEL and C1), line and paragraph separators, characters that change the writing direction, and
// lone surrogates.
const unprintable = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** The text on one line; characters that a terminal acts on become `\u001b` and the like. JSON stays JSON. */
export function printable(text: string): string {
  return text.replace(unprintable, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Like `printable`, but keeps line breaks. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}

/** A name quoted as one word of a shell command that a person is to type. */
export function shellWord(text: string): string {
  return /^[\w.:/][\w.:/-]*$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}

/** Several names, of a command that is to be typed. After `--` none that begins with a dash is taken for an option. */
export function shellWords(...words: readonly string[]): string {
  const dashed = words.findIndex(word => word.startsWith('-'))
  const quoted = words.map(shellWord)
  return (dashed < 0 ? quoted : quoted.toSpliced(dashed, 0, '--')).join(' ')
}
