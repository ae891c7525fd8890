/**
 * What this process has asked of Consul so far. It stands in the global object because a release bundles what is loaded
 * late apart, so that one process has several copies of a module.
 */
export interface Asked {
  requests: number
  /** The time of all answers, and of the slowest one, ms. */
  ms: number
  slowest: number
  /** Characters of all answers. */
  bytes: number
}

const name = Symbol.for('watchbill.asked')
const everywhere = globalThis as { [name: symbol]: Asked | undefined }

export function askedSoFar(): Asked {
  everywhere[name] ??= { requests: 0, ms: 0, slowest: 0, bytes: 0 }
  return everywhere[name]
}

export function countAnswer(ms: number): void {
  const asked = askedSoFar()
  asked.requests++
  asked.ms += ms
  asked.slowest = Math.max(asked.slowest, ms)
}

export function countCharacters(count: number): void {
  askedSoFar().bytes += count
}
