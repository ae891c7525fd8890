/**
 * The roster at 10,000 partitions and 100 instances: its time against plain rendezvous hashing with the same hashes and
 * scores, each in processes of its own, and what it moves. The bars on time are for code that V8 has compiled, after a
 * warm-up that is the same for both; what the first call of a process takes beside the other's is told without a bar.
 */
import { constants, setPriority } from 'node:os'
import { join } from 'node:path'
import type { RosterMember } from '../../lib/roster/member.ts'
import { roster } from '../../lib/roster/roster.ts'
import { atMost, exactly, fresh, interleaved, median, type Progress, type Row, ratio, told } from './bench.ts'
import { type Input, ruled, type Times } from './roster/subject.ts'

const rounds = 9
// In the order of the keys, as Consul lists them.
const partitions = Array.from({ length: 10_000 }, (_, number) => String(number)).sort()

function crew(size: number, weight = (_: number) => 1): RosterMember[] {
  return Array.from({ length: size }, (_, number) => {
    const instance = `node-${String(number).padStart(3, '0')}:kafka-consumer`
    return { instance, weight: weight(number), maxPartitions: null }
  })
}

const nobody = new Map<string, string>()
const hundred = roster(crew(100), partitions, nobody)

const weighted = (number: number) => [1, 2, 4][number % 3] as number
const byRules = ruled(crew(100, weighted), partitions, nobody)

const holders = partitions.map(partition => [partition, hundred.get(partition) as string] as const)
const ruledHolders = partitions.map(partition => [partition, byRules.get(partition) as string] as const)

export default async (progress: Progress): Promise<Row[]> => [...(await times(progress)), ...moves(), quotas()]

async function times(progress: Progress): Promise<Row[]> {
  goFirst()
  const subjects = {
    plain: call('plain', { members: crew(100), partitions, holders: [] }),
    whole: call('roster', { members: crew(100), partitions, holders: [] }),
    joins: call('roster', { members: crew(101), partitions, holders }),
    leaves: call('roster', { members: crew(99), partitions, holders }),
    same: call('roster', { members: crew(100), partitions, holders }),
    ruled: call('ruled', { members: crew(100, weighted), partitions, holders: [] }),
    ruledJoins: call('ruled', { members: crew(101, weighted), partitions, holders: ruledHolders }),
    ruledLeaves: call('ruled', { members: crew(99, weighted), partitions, holders: ruledHolders }),
    ruledSame: call('ruled', { members: crew(100, weighted), partitions, holders: ruledHolders }),
  }
  const results = await interleaved(rounds, Object.values(subjects))
  for (const [at, name] of Object.keys(subjects).entries()) progress(`${name}: ${show(results[at] ?? [])}`)
  const [warm, cold] = (['warm', 'cold'] as const).map(key => results.map(runs => runs.map(times => times[key])))
  const [base, whole, joins, leaves, same, byRule, byRuleJoins, byRuleLeaves, byRuleSame] = warm as Nine
  const [baseCold, wholeCold, joinsCold, leavesCold, , ruledCold, ruledJoinsCold] = cold as Nine
  return [
    told('plain rendezvous hashing', median(base), 'ms'),
    atMost(2.5, 'whole map, no holders', ratio(whole, base), 'x plain'),
    atMost(0.6, 'sticky step, one joins', ratio(joins, base), 'x plain'),
    atMost(0.6, 'sticky step, one leaves', ratio(leaves, base), 'x plain'),
    told('nothing changed', ratio(same, base), 'x plain'),
    atMost(5, 'with rules, costs, weights: whole map', ratio(byRule, base), 'x plain'),
    atMost(2, 'with rules: sticky step, one joins', ratio(byRuleJoins, base), 'x plain'),
    atMost(2, 'with rules: sticky step, one leaves', ratio(byRuleLeaves, base), 'x plain'),
    told('with rules: nothing changed', ratio(byRuleSame, base), 'x plain'),
    told('first call, with rules: whole map', ratio(ruledCold, baseCold), 'x plain'),
    told('first call, with rules: one joins', ratio(ruledJoinsCold, baseCold), 'x plain'),
    told('first call: plain rendezvous hashing', median(baseCold), 'ms'),
    told('first call: whole map, no holders', ratio(wholeCold, baseCold), 'x plain'),
    told('first call: one joins', ratio(joinsCold, baseCold), 'x plain'),
    told('first call: one leaves', ratio(leavesCold, baseCold), 'x plain'),
  ]
}

/** Ours and our children's turn comes before the machine's other work, where we are allowed that. */
function goFirst() {
  try {
    setPriority(constants.priority.PRIORITY_HIGHEST)
  } catch {
    // Then the figures are as busy as the machine.
  }
}

type Runs = number[]
type Nine = [Runs, Runs, Runs, Runs, Runs, Runs, Runs, Runs, Runs]

function call(subject: 'plain' | 'roster' | 'ruled', input: Input) {
  const text = JSON.stringify(input)
  const file = join(import.meta.dirname, 'roster', 'subject.ts')
  return async () => JSON.parse(await fresh(['--expose-gc', file, subject], text)) as Times
}

function moves(): Row[] {
  const joined = moved(hundred, roster(crew(101), partitions, hundred))
  const leaver = crew(100).at(-1)?.instance
  const left = moved(hundred, roster(crew(99), partitions, hundred))
  const held = [...hundred.values()].filter(instance => instance === leaver).length
  return [
    exactly(Math.floor(partitions.length / 101), 'moved when one joins 100', joined, 'partitions'),
    exactly(held, 'moved when one of 100 leaves', left, 'partitions'),
  ]
}

function moved(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): number {
  return partitions.filter(partition => before.get(partition) !== after.get(partition)).length
}

function quotas(): Row {
  const members = crew(100, number => [1, 2, 4][number % 3] as number)
  const total = members.reduce((sum, { weight }) => sum + weight, 0)
  const loads = Map.groupBy(roster(members, partitions, nobody).values(), instance => instance)
  const off = members.map(({ instance, weight }) => {
    return Math.abs((loads.get(instance)?.length ?? 0) - (partitions.length * weight) / total)
  })
  return atMost(1, 'weights 1:2:4, largest |load - quota|', Math.max(...off))
}

function show(runs: readonly Times[]): string {
  return runs.map(({ warm, cold }) => `${warm.toFixed(1)} (first ${cold.toFixed(1)})`).join(', ')
}
