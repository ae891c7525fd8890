/** Plans of trials. Pure: the same seed gives the same faults, hosts, delays and choices, in the same order. */
import type { Fault } from './fault.ts'
import { Random } from './random.ts'
import type { Trial } from './trial.ts'

/** The second fault of a pair begins at most this long after the first, ms. */
const apart = 15_000

/**
 * `count` trials: single faults, and pairs. In a pair the second fault meets what the first has left behind, so the
 * time without an owner is reported but not judged.
 */
export function campaign(seed: number, count: number, faults: readonly Fault[], hosts: readonly string[]): Trial[] {
  const random = new Random(seed)
  return Array.from({ length: count }, (): Trial => {
    const trial = random.next() < 0.5 ? single(random, faults, hosts) : pair(random, faults, hosts)
    return { ...trial, anyGap: true }
  })
}

/** Each fault, `times` times. */
export function each(seed: number, times: number, faults: readonly Fault[], hosts: readonly string[]): Trial[] {
  const random = new Random(seed)
  return Array.from({ length: times }, () => faults.map(fault => single(random, [fault], hosts))).flat()
}

function single(random: Random, faults: readonly Fault[], hosts: readonly string[]): Trial {
  return { faults: [random.pick(faults)], hosts: [random.pick(hosts)], delays: [0], seed: seedFrom(random) }
}

/**
 * Two faults on different hosts, because a fault cannot be caused on a host that another has taken away. At most one of
 * them hits a server: without a majority of servers nothing can be judged except that processes stop.
 */
function pair(random: Random, faults: readonly Fault[], hosts: readonly string[]): Trial {
  const first = random.pick(faults)
  const second = random.pick(faults.filter(({ hits }) => hits === 'client' || first.hits === 'client'))
  const host = random.pick(hosts)
  const other = random.pick(hosts.filter(name => name !== host))
  return { faults: [first, second], hosts: [host, other], delays: [0, random.below(apart)], seed: seedFrom(random) }
}

function seedFrom(random: Random): number {
  return random.below(2 ** 31)
}
