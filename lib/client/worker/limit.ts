export type Limit = <T>(work: () => T | Promise<T>) => Promise<T>

/** Runs at most `most` pieces of work at a time, in the order in which they came. */
export function limit(most: number): Limit {
  const waiting: (() => void)[] = []
  let running = 0
  return async work => {
    if (running >= most) await new Promise<void>(resolve => waiting.push(resolve))
    else running++
    try {
      return await work()
    } finally {
      const next = waiting.shift() // passes the place to the next one that waits
      if (next) next()
      else running--
    }
  }
}
