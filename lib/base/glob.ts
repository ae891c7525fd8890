/** Patterns for names in which `*` stands for any characters, none too. */

/**
 * A test for the pattern. Each part between two stars is sought once, from left to right: no pattern makes it go back, so
 * none is slow.
 */
export function glob(pattern: string): (text: string) => boolean {
  const parts = pattern.split('*')
  const [first = ''] = parts
  if (parts.length === 1) return text => text === pattern
  const last = parts.at(-1) as string
  const between = parts.slice(1, -1).filter(part => part !== '')
  return text => {
    if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false
    const end = text.length - last.length
    let at = first.length
    for (const part of between) {
      const found = text.indexOf(part, at)
      if (found < 0 || found + part.length > end) return false
      at = found + part.length
    }
    return true
  }
}
