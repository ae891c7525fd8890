/**
 * One subject in a process of its own: `node --expose-gc subject.ts plain|roster` reads {members, partitions, holders}
 * from stdin, and prints the ms of its very first call, and of the least disturbed of five calls after a warm-up that is
 * the same for each subject.
 */
import { readFileSync } from 'node:fs'
import type { RosterMember } from '../../../lib/roster/member.ts'
import { best, hash } from '../../../lib/roster/rendezvous.ts'
import { roster } from '../../../lib/roster/roster.ts'

export interface Input {
  readonly members: readonly RosterMember[]
  readonly partitions: readonly string[]
  readonly holders: readonly (readonly [string, string])[]
}

export interface Times {
  readonly cold: number
  readonly warm: number
}

/** Plain rendezvous hashing, without balance: the baseline. */
function plain(members: readonly RosterMember[], partitions: readonly string[]): Map<string, string> {
  const hashes = members.map(member => hash(member.instance))
  const result = new Map<string, string>()
  for (const partition of partitions) {
    result.set(partition, members[best(hash(partition), hashes)]?.instance as string)
  }
  return result
}

/** Strings of its own, but for the holders' names: those are the members', as the snapshot gives them. */
function parse(text: string, id = (name: string) => name) {
  const { members, partitions, holders } = JSON.parse(text) as Input
  const names = new Map(members.map(({ instance }) => [instance, instance]))
  return {
    members,
    partitions: [...new Set(partitions.map(id))],
    holders: new Map(holders.map(([partition, holder]) => [id(partition), names.get(holder) ?? holder])),
  }
}

function measure(subject: typeof roster, { members, partitions, holders }: ReturnType<typeof parse>): number {
  // What reading the input left behind is not the call's to collect.
  globalThis.gc?.()
  const from = performance.now()
  const result = subject(members, partitions, holders)
  const ms = performance.now() - from
  if (result.size !== partitions.length) throw new Error(`${result.size} of ${partitions.length} are assigned`)
  return ms
}

function warmUp({ members, partitions, holders }: ReturnType<typeof parse>) {
  const crew = members.slice(1)
  for (let time = 0; time < 5; time++) {
    plain(crew, partitions)
    roster(crew, partitions, new Map())
    roster(crew, partitions, holders.size ? holders : roster(members, partitions, holders))
  }
}

const text = readFileSync(0, 'utf8')
const subject = process.argv[2] === 'plain' ? plain : roster
const cold = measure(subject, parse(text))
warmUp(parse(text, name => `other-${name}`))
const warm = Math.min(...[1, 2, 3, 4, 5].map(() => measure(subject, parse(text))))
console.log(JSON.stringify({ cold, warm } satisfies Times))
