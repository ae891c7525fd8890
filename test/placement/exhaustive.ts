/** The best placement of all, found by trying every one: the judge of lib/roster/place.ts, by other means. */

import type { Rules } from '../../lib/definition/rules.ts'
import type { PlacedMember } from '../../lib/roster/member.ts'
import type { Asked } from '../../lib/roster/place.ts'

/** Less is better, in this order: unplaced, where it is to be avoided, spread, balance, moves, preference. */
export type Score = readonly number[]

export interface Judge {
  /** Null when a hard rule does not hold. */
  readonly score: (placed: ReadonlyMap<string, string>) => Score | null
  readonly best: () => Score
}

export function compare(a: Score, b: Score): number {
  for (let at = 0; at < a.length; at++) {
    if (a[at] !== b[at]) return (a[at] as number) - (b[at] as number)
  }
  return 0
}

/** Weights of 1, 2 and 4 alone, and whole costs: then all sums are exact. */
export function judgeOf(asked: Asked): Judge {
  const { members, partitions, holders, avoided, rules, pins, traits } = asked
  const ids = [...new Set(partitions)].sort()
  const nobody = members.length
  const trait = (id: string) => traits.get(id) ?? {}
  const selected = (rule: { for?: Rules['only'][number]['for'] }, id: string) => {
    if (rule.for === undefined) return true
    if (typeof rule.for === 'string') return new RegExp(`^${rule.for.replaceAll('*', '.*')}$`).test(id)
    const value = trait(id)[rule.for.field]
    return value !== undefined && rule.for.in.includes(String(value))
  }
  const valuesOf = (member: PlacedMember, attribute: string): string[] => {
    if (attribute === 'node') return [member.node]
    if (attribute === 'instance') return [member.instance]
    if (attribute === 'tag') return [...(member.offers?.tags ?? [])]
    const value = member.offers?.meta[attribute.slice(5)]
    return value === undefined ? [] : [value]
  }
  const isTrue = (rule: Rules['only'][number], member: PlacedMember) => {
    const values = valuesOf(member, rule.attribute)
    if ('in' in rule) return values.some(value => rule.in.includes(value))
    if ('not' in rule) return !values.some(value => rule.not.includes(value))
    return values.length > 0 && Number(values[0]) >= rule.atLeast
  }
  const allowed = ids.map(id =>
    members.map(member => {
      const pin = pins.get(id)
      if (pin !== undefined && pin !== member.instance && members.some(one => one.instance === pin)) return false
      return rules.only.every(rule => !selected(rule, id) || isTrue(rule, member))
    }),
  )
  const costs = ids.map(id => {
    for (const rule of rules.cost) {
      if (!selected(rule, id)) continue
      const cost = 'is' in rule ? rule.is : trait(id)[rule.field]
      if (typeof cost === 'number') return cost
    }
    return 1
  })
  const groups = rules.apart.map(rule =>
    ids.map(id => {
      if (!selected(rule, id)) return null
      const value = rule.by === undefined ? '' : trait(id)[rule.by]
      return value === undefined ? null : String(value)
    }),
  )
  const places = (over: string) => members.map(member => valuesOf(member, over)[0] ?? `without ${member.instance}`)
  const apartPlaces = rules.apart.map(({ over }) => places(over))
  const spreadPlaces = rules.spread.map(({ over }) => members.map(member => valuesOf(member, over)[0] ?? 'without'))
  const points = ids.map(id =>
    members.map(member =>
      rules.prefer.reduce((sum, rule) => sum + (selected(rule, id) && isTrue(rule, member) ? rule.weight : 0), 0),
    ),
  )
  const holderOf = ids.map(id => members.findIndex(({ instance }) => instance === holders.get(id)))
  const avoid = ids.map(id => members.findIndex(({ instance }) => instance === avoided.get(id)))
  const inSpread = rules.spread.map(rule => ids.map(id => selected(rule, id)))

  // With different costs a load within half of the largest one from the share is as good as any.
  const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0)
  const largest = Math.max(0, ...costs)
  const shares = members.map(({ weight }) => (sum(costs) * weight) / sum(members.map(one => one.weight)))
  const off = (load: number, at: number) => {
    if (costs.every(cost => cost === largest)) return load
    return Math.max(0, Math.abs(2 * load - Math.round(2 * (shares[at] as number))) - largest)
  }

  const fits = (owner: readonly number[], upTo: number): boolean => {
    for (let member = 0; member < nobody; member++) {
      const own = owner.flatMap((one, at) => (one === member && at < upTo ? [at] : []))
      const { maxPartitions, maxCost = Infinity } = members[member] as PlacedMember
      if (own.length > (maxPartitions ?? Infinity)) return false
      if (own.reduce((sum, at) => sum + (costs[at] as number), 0) > maxCost) return false
      if (own.some(at => !allowed[at]?.[member])) return false
    }
    return groups.every((names, rule) => {
      const seen = new Set<string>()
      return names.every((name, at) => {
        if (name === null || at >= upTo || owner[at] === nobody) return true
        const key = JSON.stringify([name, apartPlaces[rule]?.[owner[at] as number]])
        return !seen.has(key) && seen.add(key)
      })
    })
  }

  const scored = (owner: readonly number[]): number[] => {
    const load = members.map(() => 0)
    let [unplaced, avoids, spread, moves, preference] = [0, 0, 0, 0, 0]
    for (const [at, one] of owner.entries()) {
      if (one !== holderOf[at] && holderOf[at] !== -1) moves++
      if (one === nobody) unplaced++
      else {
        load[one] = (load[one] as number) + (costs[at] as number)
        preference -= points[at]?.[one] as number
        if (avoid[at] === one) avoids++
      }
    }
    for (const [rule, names] of spreadPlaces.entries()) {
      const count: Record<string, number> = {}
      for (const [at, one] of owner.entries()) {
        if (one === nobody || !inSpread[rule]?.[at]) continue
        const name = names[one] as string
        count[name] = (count[name] ?? 0) + 1
      }
      for (const number of Object.values(count)) spread += number ** 2
    }
    const balance = load.reduce(
      (sum, one, at) => sum + (4 / (members[at] as PlacedMember).weight) * off(one, at) ** 2,
      0,
    )
    return [unplaced, avoids, spread, balance, moves, preference]
  }

  const ownerOf = (placed: ReadonlyMap<string, string>) =>
    ids.map(id => {
      const at = members.findIndex(({ instance }) => instance === placed.get(id))
      return at < 0 ? nobody : at
    })

  return {
    score: placed => {
      const owner = ownerOf(placed)
      return fits(owner, ids.length) ? scored(owner) : null
    },
    best: () => {
      const owner = ids.map(() => nobody)
      let best: number[] | null = null
      let fewest = Number.POSITIVE_INFINITY
      const walk = (at: number, without: number) => {
        if (without > fewest) return
        if (at === ids.length) {
          const score = scored(owner)
          fewest = Math.min(fewest, score[0] as number)
          if (best === null || compare(score, best) < 0) best = score
          return
        }
        for (let member = 0; member <= nobody; member++) {
          owner[at] = member
          if (member === nobody ? true : fits(owner, at + 1)) walk(at + 1, without + Number(member === nobody))
        }
        owner[at] = nobody
      }
      walk(0, 0)
      return best ?? []
    },
  }
}
