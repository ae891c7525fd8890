/**
 * Whole numbers in place of fractions. Sums of whole numbers below 2^53 are exact in every order, so that every machine finds
 * the same loads equal.
 */

/** The largest factor. With squares of loads up to 2^31 a product stays below 2^53. */
const most = 2 ** 21

/**
 * For each share a whole number in proportion to 1 / share. Exact where the shares have a small common multiple, such as 1, 2
 * and 4; otherwise rounded.
 */
export function factors(shares: readonly number[]): number[] {
  const wholes = wholesOf(shares)
  const multiple = wholes === null ? null : commonMultiple(wholes)
  if (wholes !== null && multiple !== null) return wholes.map(whole => multiple / whole)
  const largest = Math.max(...shares)
  const some = shares.map(share => Math.max(share, largest / most))
  const scale = Math.min(2 ** 14, (most * Math.min(...some)) / largest)
  return some.map(share => Math.min(most, Math.max(1, Math.round((scale * largest) / share))))
}

/** The smallest power of ten that makes all whole and none 0: 1, 10, 100 or 1000; null when none does. */
export function decimals(numbers: Iterable<number>): number | null {
  let unit = 1
  for (const number of numbers) {
    while (Math.round(number * unit) < 1 || Math.abs(number * unit - Math.round(number * unit)) > 1e-6) {
      unit *= 10
      if (unit > 1000) return null
    }
  }
  return unit
}

function wholesOf(shares: readonly number[]): number[] | null {
  const unit = decimals(shares)
  if (unit === null) return null
  const wholes = shares.map(share => Math.round(share * unit))
  const divisor = wholes.reduce(greatestDivisor, 0)
  return divisor === 0 ? null : wholes.map(whole => whole / divisor)
}

function commonMultiple(wholes: readonly number[]): number | null {
  let multiple = 1
  for (const whole of wholes) {
    multiple *= whole / greatestDivisor(multiple, whole)
    if (multiple > most) return null
  }
  return multiple
}

function greatestDivisor(a: number, b: number): number {
  let [large, small] = [a, b]
  while (small > 0) [large, small] = [small, large % small]
  return large
}
