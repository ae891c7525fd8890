/** What others wrote, as it may go to a terminal or into a log. */

// Control characters (C0, DEL and C1), line and paragraph separators, what turns the direction of writing round, and
// halves of a character.
const unprintable = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** The text on one line, with `\u001b` for a character that would act on a terminal: JSON stays JSON. */
export function printable(text: string): string {
  return text.replace(unprintable, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** The same, line by line: only the line breaks stay. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}

/** A name as one word of a command that somebody is to type. */
export function shellWord(text: string): string {
  return /^[\w.:/][\w.:/-]*$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
