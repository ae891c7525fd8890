/**
 * Which machine is to be powered off now, if any. Pure: no clock, no network. A machine is powered off only when that frees
 * locks earlier than their takeover wait would, and at most one at a time in the cluster.
 */
import type { PowerOff } from '../definition/power.ts'
import type { Power } from '../keys/power.ts'

/** What one look shows. */
export interface View {
  /** Boot clock, ms, from before the look. */
  readonly now: number
  /** Wall clock, epoch ms. */
  readonly wall: number
  /** The node of this machine. */
  readonly own: string
  /** The nodes that Consul's gossip takes for failed: node -> ModifyIndex of that. */
  readonly failed: ReadonlyMap<string, number>
  /** The nodes that the agent of this machine hears alive itself. */
  readonly heard: ReadonlySet<string>
  /** How many locks of a node wait for nothing but their takeover wait. */
  readonly locks: ReadonlyMap<string, number>
  /** Frozen services that have locks of a node. */
  readonly frozen: ReadonlyMap<string, readonly string[]>
  /** Nodes that were declared off and took part again in the same boot. */
  readonly unsafe: readonly string[]
  readonly power: Power
}

/** Since when this program has seen the failure of each node that it knows of: node -> its index, boot-clock ms. */
export type Failures = ReadonlyMap<string, { readonly failure: number; readonly since: number }>

export type Step =
  | { readonly do: 'power off'; readonly node: string; readonly failure: number }
  /** Look again after so many ms. */
  | { readonly do: 'wait'; readonly ms: number; readonly why: readonly string[] }
  | { readonly do: 'nothing'; readonly why: readonly string[] }

const hour = 3_600_000
/** How often a program looks again while another one powers a machine off, ms. */
const pause = 1000

/** The failures after a look. One that came back and failed again begins anew: its index is another one. */
export function seenFailures(before: Failures, { failed, now }: Pick<View, 'failed' | 'now'>): Failures {
  return new Map(
    [...failed].map(([node, failure]) => {
      const known = before.get(node)
      return [node, known?.failure === failure ? known : { failure, since: now }]
    }),
  )
}

/** @param failures with those of this view: see `seenFailures` */
export function decide(view: View, failures: Failures, settings: PowerOff): Step {
  const ways = [...failures]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([node]) => ofNode(view, failures, settings, node))
  const why = ways.flatMap(one => ('why' in one ? one.why : []))
  const due = ways.find(one => one.do === 'power off')
  if (due !== undefined) return due
  const waits = ways.flatMap(one => (one.do === 'wait' ? one.ms : []))
  return waits.length > 0 ? { do: 'wait', ms: Math.min(...waits), why } : { do: 'nothing', why }
}

function ofNode(view: View, failures: Failures, settings: PowerOff, node: string): Step {
  const { failure, since } = failures.get(node) as { failure: number; since: number }
  const never = whyNever(view, node, failure)
  if (never !== null) return { do: 'nothing', why: [`${node}: ${never}`] }
  const { turn } = view.power
  if (turn.session !== null) return wait(node, pause, 'a machine is being powered off')
  const recent = begunLately(view)
  if (recent >= settings.perHour)
    return { do: 'nothing', why: [`${node}: perHour: ${recent} machines were powered off within an hour`] }
  const left = since + settings.afterMs - view.now
  if (left > 0) return wait(node, left, `it failed less than ${settings.afterMs / 1000} s ago`)
  if (view.heard.has(node)) return wait(node, pause, 'the agent of this machine still hears it')
  return { do: 'power off', node, failure }
}

function wait(node: string, ms: number, why: string): Step {
  return { do: 'wait', ms, why: [`${node}: ${why}`] }
}

/** Why this failure of the node is no reason to power it off, however long it lasts. */
function whyNever({ own, locks, frozen, unsafe, power }: View, node: string, failure: number): string | null {
  if (node === own) return 'it is this machine'
  if (!isPlain(node)) return 'its name is no plain word, and would be an argument of a command'
  if ((locks.get(node) ?? 0) === 0) return 'it has no lock that could be freed'
  const cold = frozen.get(node) ?? []
  if (cold.length > 0) return `${cold.join(', ')} is frozen`
  if (unsafe.length > 0)
    return `${unsafe.join(', ')} was declared off and was not: nobody is powered off until that is acknowledged`
  const record = power.records.get(node)
  if (record?.failure !== failure || record.state === 'under way') return null
  return record.state === 'off' ? 'it is off' : `it could not be powered off: ${record.why}`
}

/** Of the last hour. A time in the future counts, too: some clock is wrong. */
export function begunLately({ wall, power }: Pick<View, 'wall' | 'power'>): number {
  return power.turn.begun.filter(({ at }) => at > wall - hour).length
}

/** The list with one more; those that no longer count are left out. */
export function begunWith({ wall, power }: Pick<View, 'wall' | 'power'>, node: string) {
  return [...power.turn.begun.filter(({ at }) => at > wall - hour), { node, at: wall }].slice(-1000)
}

/** A node's name becomes an argument: it must not look like an option, nor hold anything that a script could trip over. */
function isPlain(node: string): boolean {
  return /^[\p{L}\p{N}][\p{L}\p{N}_.:-]{0,199}$/u.test(node)
}
