/**
 * One subject in a process of its own: `node --expose-gc subject.ts plain|roster|ruled` reads {members, partitions, holders}
 * from stdin, and prints the ms of its very first call, and of the least disturbed of five calls after a warm-up that is
 * the same for each subject, and longer for `ruled`.
 */
import { readFileSync } from 'node:fs'
import { noRules, type Rules } from '../../../lib/definition/rules.ts'
import type { PlacedMember, RosterMember } from '../../../lib/roster/member.ts'
import { place } from '../../../lib/roster/place.ts'
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

/** `spread` over three zones, `only` for a tenth of the partitions, and costs. */
export const rules: Rules = {
  ...noRules,
  only: [{ for: '*7', attribute: 'meta.gpu', in: ['true'] }],
  spread: [{ over: 'meta.zone' }],
  cost: [
    { for: '*3', is: 5 },
    { for: '*9', is: 2 },
  ],
}

/** Placement by rules. The zone and the rest of a member follow from its place in the list. */
export function ruled(
  members: readonly RosterMember[],
  partitions: readonly string[],
  holders: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const some = new Map<string, string>()
  const offering = members.map((member, at): PlacedMember => {
    const meta = { zone: String(Math.floor(at / 3) % 3), gpu: String(at % 4 === 0) }
    return { ...member, node: member.instance, offers: { meta, datacenter: 'dc1', tags: [] } }
  })
  const asked = { members: offering, partitions, holders, avoided: some, rules, pins: some, traits: new Map() }
  return place(asked).placed
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

type Subject = (...given: Parameters<typeof roster>) => ReadonlyMap<string, string>

function measure(subject: Subject, { members, partitions, holders }: ReturnType<typeof parse>): number {
  // What reading the input left behind is not the call's to collect. A full collection would also discard compiled code: V8
  // drops the code that knows an object's shape when no object of that shape is left, and the call would compile it again.
  globalThis.gc?.({ type: 'minor' })
  const from = performance.now()
  const result = subject(members, partitions, holders)
  const ms = performance.now() - from
  if (result.size !== partitions.length) throw new Error(`${result.size} of ${partitions.length} are assigned`)
  return ms
}

function warmUp(subject: Subject, { members, partitions, holders }: ReturnType<typeof parse>) {
  const crew = members.slice(1)
  for (let time = 0; time < 5; time++) {
    plain(crew, partitions)
    roster(crew, partitions, new Map())
    roster(crew, partitions, holders.size ? holders : roster(members, partitions, holders))
  }
  // It is more code, of which a call needs each part less often: V8 compiles it later.
  for (let time = 0; subject === ruled && time < 20; time++) ruled(crew, partitions, time % 2 ? holders : new Map())
}

if (import.meta.main) {
  const text = readFileSync(0, 'utf8')
  const subject: Subject = ({ plain, roster, ruled } as Record<string, Subject>)[process.argv[2] ?? ''] ?? roster
  const cold = measure(subject, parse(text))
  warmUp(
    subject,
    parse(text, name => `other-${name}`),
  )
  const warm = Math.min(...[1, 2, 3, 4, 5].map(() => measure(subject, parse(text))))
  console.log(JSON.stringify({ cold, warm } satisfies Times))
}
