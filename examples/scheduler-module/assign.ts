/**
 * A scheduler for watchbill: follows a figure. A partition moves away from a member whose processors are busy, one at a run, and
 * not again for a while: figures are 30 s old, and a move changes them. See docs/own-rules.md.
 */

interface Member {
  readonly name: string
  readonly takesPart: boolean
  readonly meta: Readonly<Record<string, string>>
  readonly maxPartitions: number | null
  readonly figures: { readonly cpu: number } | null
}

interface Partition {
  readonly id: string
  readonly holder: string | null
  readonly held: boolean
  readonly notOn: string | null
  readonly figures: { readonly cpu: number } | null
}

export interface Input {
  readonly now: string
  readonly members: readonly Member[]
  readonly partitions: readonly Partition[]
  readonly placement: { readonly pins: Readonly<Record<string, string>> }
  readonly state: { readonly movedAt?: string } | null
}

/** Busier than this share of its processors, a member gives something away; a member takes something below the other. */
const busy = 0.8
const idle = 0.5
/** How long after a move nothing else moves, ms. */
const pause = 90_000

export function assign({ now, members, partitions, placement, state }: Input) {
  const present = members.filter(({ takesPart }) => takesPart)
  // Everything stays where it is: what nobody holds is left to the ordinary roster.
  const there = new Set(present.map(({ name }) => name))
  const isOurs = ({ id, holder, held, notOn }: Partition) =>
    holder !== null && there.has(holder) && !held && notOn !== holder && !(id in placement.pins)
  const assignment: Record<string, string> = Object.fromEntries(
    partitions.filter(isOurs).map(({ id, holder }) => [id, holder as string]),
  )
  const rested = state?.movedAt === undefined || Date.parse(now) - Date.parse(state.movedAt) >= pause
  const [hottest, coolest] = rested ? extremes(present) : []
  const moved = hottest && coolest ? busiestOf(hottest, coolest, partitions, assignment) : undefined
  if (hottest === undefined || coolest === undefined || moved === undefined) return { assignment, state }
  assignment[moved.id] = coolest.name
  const log = [`${moved.id} from ${hottest.name} (${percent(hottest)}) to ${coolest.name} (${percent(coolest)})`]
  return { assignment, state: { movedAt: now }, log }
}

/** The busiest member and the idlest one, where one is too busy and the other has room. */
function extremes(members: readonly Member[]): [Member?, Member?] {
  const known = members.filter(({ figures }) => figures !== null).sort((a, b) => loadOf(b) - loadOf(a))
  const [hottest, coolest] = [known[0], known.at(-1)]
  return hottest && coolest && loadOf(hottest) > busy && loadOf(coolest) < idle ? [hottest, coolest] : []
}

/** The busiest partition there that does not make the other as busy. */
function busiestOf(from: Member, to: Member, partitions: readonly Partition[], assignment: Record<string, string>) {
  const has = Object.values(assignment).filter(name => name === to.name).length
  if (to.maxPartitions !== null && has >= to.maxPartitions) return undefined
  return partitions
    .filter(({ id, notOn }) => assignment[id] === from.name && notOn !== to.name)
    .filter(({ figures }) => figures !== null && loadOf(to) + figures.cpu / coresOf(to) < busy)
    .sort((a, b) => (b.figures?.cpu ?? 0) - (a.figures?.cpu ?? 0))[0]
}

function loadOf(member: Member): number {
  return (member.figures?.cpu ?? 0) / coresOf(member)
}

function coresOf({ meta }: Member): number {
  return Number(meta.cores) || 1
}

function percent(member: Member): string {
  return `${Math.round(loadOf(member) * 100)}%`
}
