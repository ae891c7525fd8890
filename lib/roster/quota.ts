/** How many partitions each member is to have. Quotas are fractions, targets are whole numbers. */
import type { RosterMember } from './member.ts'

/** Decimal weights such as 0.1 add up only nearly: a quota that close to a whole number is one. */
const nearly = 1e-9

/**
 * Each member's quota of `count` partitions: by weight, and never above its maxPartitions; what does not fit there is
 * shared by weight among the others. The sum is `count`, or less when all members together have no room for it.
 */
export function quotas(members: readonly RosterMember[], count: number): number[] {
  const full = new Set<RosterMember>()
  for (;;) {
    const open = members.filter(member => !full.has(member))
    const weight = sum(open.map(member => member.weight))
    const left = count - sum([...full].map(cap))
    const share = (member: RosterMember) => whole((left * member.weight) / weight)
    const filled = open.filter(member => cap(member) < share(member))
    if (filled.length === 0) return members.map(member => (full.has(member) ? cap(member) : share(member)))
    // Who is full once stays full: taking it out only enlarges the shares of the others.
    for (const member of filled) full.add(member)
  }
}

/**
 * The quotas in whole partitions: the floor, and one more for as many members as it takes to hand out everything.
 * Those who hold more than their floor come first, because then nothing has to move for it; next the larger fraction,
 * next, of those who do not, whoever is asked for most. `held` and `asked` count partitions. All arrays are in the members' order, which
 * settles what is left.
 */
export function targets(quota: readonly number[], held: readonly number[], asked: readonly number[]): number[] {
  const target = quota.map(Math.floor)
  const candidates = quota.flatMap((whole, at) => {
    const over = (held[at] as number) - (target[at] as number)
    const keeps = over > 0
    // How far over does not count: in the middle of a hand-over it would change who gives up what.
    const surplus = keeps ? 0 : over + (asked[at] as number)
    return whole % 1 === 0 ? [] : { at, keeps: Number(keeps), fraction: whole % 1, surplus }
  })
  candidates.sort((a, b) => b.keeps - a.keeps || b.fraction - a.fraction || b.surplus - a.surplus || a.at - b.at)
  const more = Math.round(sum(quota)) - sum(target)
  for (const { at } of candidates.slice(0, more)) target[at] = (target[at] as number) + 1
  return target
}

function cap(member: RosterMember): number {
  return member.maxPartitions ?? Infinity
}

function whole(share: number): number {
  const nearest = Math.round(share)
  return Math.abs(share - nearest) < nearly ? nearest : share
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
