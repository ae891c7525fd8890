/** How many partitions each member should have. A quota may be a fraction, a target is a whole number. */
import type { RosterMember } from './member.ts'

/** Sums of decimal weights such as 0.1 have rounding errors: a quota this close to a whole number is that number. */
const nearly = 1e-9

/**
 * Each member's quota of `count` partitions: by weight, and never above its maxPartitions. Partitions above a member's
 * maxPartitions are shared by weight among the others. The sum is `count`, or less when all members are full.
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
    // A member that is full stays full: the next rounds only enlarge the shares.
    for (const member of filled) full.add(member)
  }
}

/**
 * The quotas as whole numbers: each member's floor, and one more for some members until every partition is counted. Who
 * gets one more, in this order: members that hold more than their floor, because then nothing moves; the larger fraction;
 * among members at or below their floor, the one that holds and is asked for most; the members' order.
 * `held` and `asked` count partitions. All arrays are in the members' order.
 */
export function targets(quota: readonly number[], held: readonly number[], asked: readonly number[]): number[] {
  const target = quota.map(Math.floor)
  const candidates = quota.flatMap((whole, at) => {
    const over = (held[at] as number) - (target[at] as number)
    const keeps = over > 0
    // How far a member is over its floor does not count: that number changes during a hand-over, and so would the roster.
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
