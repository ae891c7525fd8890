/** Lists for people: shortened, and in the order that people expect. */

const most = 10

/** "0, 1, 2 and 7 more" */
export function listed(ids: readonly string[]): string {
  const shown = ids.slice(0, most).join(', ')
  return ids.length > most ? `${shown} and ${ids.length - most} more` : shown
}

/** Numbers by value, then everything else by name. */
export function byName(a: string, b: string): number {
  const [left, right] = [numberIn(a), numberIn(b)]
  return left - right || (a < b ? -1 : a > b ? 1 : 0)
}

/** Anything that is not a number sorts after all numbers. */
function numberIn(text: string): number {
  return /^\d{1,15}$/.test(text) ? Number(text) : Number.MAX_SAFE_INTEGER
}
