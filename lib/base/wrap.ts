/** Breaks text into lines that fit. */

/**
 * Lines of at most `width` characters, broken at spaces; a longer word is cut. Only the first line keeps the spaces at its
 * beginning.
 */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = []
  let rest = text
  while (rest.length > width) {
    const at = rest.lastIndexOf(' ', width)
    const end = at > 0 && rest.slice(0, at).trim() !== '' ? at : width
    lines.push(rest.slice(0, end).trimEnd())
    rest = rest.slice(end).trimStart()
  }
  return rest === '' && lines.length > 0 ? lines : [...lines, rest]
}
