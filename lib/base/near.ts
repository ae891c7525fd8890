/** What somebody may have meant who mistyped a name. */

/**
 * The names that differ from the word by the fewest typing mistakes: a character too many, too few, another one, or two
 * that changed places. None when a third of the word or more would be mistaken; at most three.
 */
export function near(word: string, names: readonly string[]): string[] {
  const allowed = Math.max(1, Math.ceil(word.length / 3) - 1)
  const far = names.map(name => ({ name, by: mistakes(word, name) })).filter(({ by }) => by <= allowed)
  const fewest = Math.min(...far.map(({ by }) => by))
  const found = far.filter(({ by }) => by === fewest).map(({ name }) => name)
  const begun = word.length >= 2 ? names.filter(name => name.startsWith(word)) : []
  return [...new Set([...found, ...begun])].slice(0, 3)
}

/** " (did you mean status?)", or nothing. @param prefix what is written before each */
export function didYouMean(word: string, names: readonly string[], prefix = ''): string {
  const found = near(word, names).map(name => prefix + name)
  return found.length === 0 ? '' : ` (did you mean ${found.join(' or ')}?)`
}

/** The optimal string alignment distance: how many mistakes make one word of the other. Far more than three count as all. */
export function mistakes(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 3) return Number.POSITIVE_INFINITY
  let [beforeLast, last]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, n) => n)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const other = a[i - 1] === b[j - 1] ? 0 : 1
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const ways = [(last[j] as number) + 1, (row[j - 1] as number) + 1, (last[j - 1] as number) + other]
      row.push(Math.min(...ways, swapped ? (beforeLast[j - 2] as number) + 1 : Number.POSITIVE_INFINITY))
    }
    ;[beforeLast, last] = [last, row]
  }
  return last[b.length] as number
}
