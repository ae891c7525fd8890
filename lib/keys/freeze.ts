/**
 * `spec/freeze`: while it says so, nothing moves: no unclean lock of another instance is claimed, and no set shrinks. People
 * write it (`watchbill freeze`), or the first instance that finds too many others lost; everyone by check-and-set.
 */
import { fieldsIn, textIn } from '../base/json.ts'
import type { Keys } from '../base/names.ts'
import { base64, type Entry } from '../consul/kv.ts'
import type { Operation } from '../consul/operation.ts'
import type { FreezeRule } from '../definition/definition.ts'
import type { Away } from './away.ts'
import { agreed, type Calm } from './calm.ts'

export interface Freeze {
  readonly frozen: boolean
  /** `lost`: too many instances were lost. */
  readonly by: 'hand' | 'lost'
  /** In words; empty when nobody gave any. */
  readonly why: string
  /** When it was frozen, ISO. */
  readonly since: string
  /** The instances that were lost, of how many, and the rule that was crossed. */
  readonly lost: readonly string[]
  readonly of: number
  readonly rule: FreezeRule
  /** After a thaw by hand: these do not freeze it again. Instance -> the ModifyIndex of the member key that it left. */
  readonly thawed: ReadonlyMap<string, number>
  /** The key's ModifyIndex. */
  readonly index: number
}

/** Null when there is none. A garbled key freezes nothing. */
export function freezeFrom(entry: Entry | undefined): Freeze | null {
  if (entry === undefined) return null
  const { frozen, by, why, since, lost, of, rule, thawed } = fieldsIn(entry.value)
  const { lost: most, settleMs } = (rule ?? {}) as Record<string, unknown>
  const isRule = isNumber(most) && isNumber(settleMs)
  return {
    frozen: frozen === true,
    by: by === 'lost' && isRule ? 'lost' : 'hand',
    why: oneLine(textIn(why)),
    since: oneLine(textIn(since)),
    lost: Array.isArray(lost) ? lost.filter(one => typeof one === 'string').map(oneLine) : [],
    of: isNumber(of) ? of : 0,
    rule: isRule ? { lost: most, settleMs } : { lost: 0, settleMs: 0 },
    thawed: new Map(Object.entries(thawed ?? {}).flatMap(([name, index]) => (isNumber(index) ? [[name, index]] : []))),
    index: entry.modifyIndex,
  }
}

/** Anybody may have written it, and it is printed. */
function oneLine(text: string): string {
  return text.replace(/[\s\p{Cc}]+/gu, ' ').slice(0, 500)
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

/** What a look shows of who is there and who is lost. */
export interface Attendance {
  readonly members: readonly { readonly instance: string; readonly absence: string | null; readonly calm?: Calm }[]
  readonly away: ReadonlyMap<string, Away>
  readonly freeze: Freeze | null
}

/** Whether nothing may move now: also when this look is the first to find too many instances lost. */
export function isFrozen(shown: Attendance): boolean {
  return shown.freeze?.frozen === true || crossing(shown) !== null
}

/** The freeze that has to be written, because too many instances are lost now; null when there is none. */
export function crossing({ members, away, freeze }: Attendance): Pick<Freeze, 'lost' | 'of' | 'rule'> | null {
  if (freeze?.frozen === true || away.size === 0) return null
  const { freeze: rule } = agreed(members)
  if (rule === null) return null
  const lost = [...away.values()].filter(one => one.lost && freeze?.thawed.get(one.instance) !== one.index)
  const of = members.filter(({ absence }) => absence !== 'leaving').length + lost.length
  if (isWithin(lost.length, of, rule)) return null
  return { lost: lost.map(({ instance }) => instance).sort(), of, rule }
}

/** At the limit nothing freezes, whatever the rounding errors of a percentage. */
function isWithin(lost: number, of: number, { lost: most }: FreezeRule): boolean {
  return lost <= most * of + 1e-9
}

/** Whether so few of the lost that a freeze names are still lost that it is to end. */
export function fewLost({ away, freeze }: Attendance): boolean {
  if (freeze?.frozen !== true || freeze.by !== 'lost') return false
  return isWithin(freeze.lost.filter(instance => away.has(instance)).length, freeze.of, freeze.rule)
}

/** The condition of a write that must not happen in a freeze that began, or changed, since the look. */
export function freezeUnchanged(keys: Keys, freeze: Freeze | null): Operation {
  const Key = keys.freeze
  return freeze === null ? { Verb: 'check-not-exists', Key } : { Verb: 'check-index', Key, Index: freeze.index }
}

/**
 * The operations that freeze, if the key is still as it was read. The watch of all instances on spec/ reports them. The revision
 * is not bumped: where the set was lost, it would say that there is one, which is empty.
 */
export function freezing(
  keys: Keys,
  before: Freeze | null,
  { by, why = '', lost = [], of = 0, rule }: Partial<Freeze> & Pick<Freeze, 'by'>,
  now: string,
): Operation[] {
  const value = {
    ...{ frozen: true, by, ...(why && { why }), since: now },
    ...(by === 'lost' && { lost, of, rule }),
    // What was lost before a thaw by hand is not to freeze it later either.
    ...(before !== null && before.thawed.size > 0 && { thawed: Object.fromEntries(before.thawed) }),
  }
  return [written(keys, before, value)]
}

/** Those that a thaw by hand let be, and that have not been back since. */
export function stillThawed({ freeze, away }: Pick<Attendance, 'freeze' | 'away'>): Map<string, Away> {
  return new Map([...away].filter(([instance, { index }]) => freeze?.thawed.get(instance) === index))
}

/** The operations that end a freeze. @param away who is lost still, and is not to freeze it again by itself */
export function thawing(keys: Keys, before: Freeze, away: ReadonlyMap<string, Away>): Operation[] {
  const Index = before.index
  // Consul takes a delete-cas of a missing key for done (from its sources): the check tells that another was first.
  const check = { Verb: 'check-index', Key: keys.freeze, Index } as const
  if (away.size === 0) return [check, { Verb: 'delete-cas', Key: keys.freeze, Index }]
  const thawed = Object.fromEntries([...away.values()].map(({ instance, index }) => [instance, index]))
  return [written(keys, before, { frozen: false, thawed })]
}

function written(keys: Keys, before: Freeze | null, value: object): Operation {
  return { Verb: 'cas', Key: keys.freeze, Index: before?.index ?? 0, Value: base64(JSON.stringify(value)) }
}
