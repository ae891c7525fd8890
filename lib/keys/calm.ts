/**
 * How calm a service is to be, as each member's definition says it in the member key. What limits moves, and what freezes
 * the service, is in force only while every member says it, and then as the most generous of them says: one file that was
 * edited on one machine changes nothing.
 */
import type { Definition, FreezeRule } from '../definition/definition.ts'

export interface Calm {
  /** How long others leave alone what this member held when it disappeared, ms. */
  readonly waitMs?: number
  readonly movesAtOnce?: number
  readonly back?: false
  readonly freeze?: FreezeRule
}

/** The fields of the member key; none for a definition that asks for no calm. */
export function calmFields({ waitMs, movesAtOnce, back, freeze }: Calm | Definition): Record<string, unknown> {
  return { wait: waitMs, moves: movesAtOnce, back, freeze }
}

/** The longest wait that is believed, ms; also the schema's limit. */
const longestAway = 3_600_000

/** Those fields, read; undefined when there are none. What is garbled counts as not said. */
export function calmIn({ wait, moves, back, freeze }: Record<string, unknown>): Calm | undefined {
  const found: Calm = {
    ...(isNumber(wait) && wait > 0 && wait <= longestAway && { waitMs: wait }),
    ...(Number.isSafeInteger(moves) && (moves as number) > 0 && { movesAtOnce: moves as number }),
    ...(back === false && { back }),
    ...freezeIn(freeze),
  }
  return Object.keys(found).length > 0 ? found : undefined
}

function freezeIn(freeze: unknown): Pick<Calm, 'freeze'> {
  if (typeof freeze !== 'object' || freeze === null) return {}
  const { lost, settleMs } = freeze as Record<string, unknown>
  const isRule = isNumber(lost) && lost > 0 && lost < 1 && isNumber(settleMs) && settleMs >= 0
  return isRule ? { freeze: { lost, settleMs } } : {}
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

/** What is in force among these members. */
export interface Agreed {
  /** How many partitions move at a time for the sake of balance. */
  readonly movesAtOnce: number
  /** Partitions go back to a member that was away. */
  readonly back: boolean
  readonly freeze: FreezeRule | null
}

export function agreed(members: readonly { readonly calm?: Calm | undefined }[]): Agreed {
  const all = <T>(of: (calm: Calm) => T | undefined): T[] | null => {
    const said = members.flatMap(({ calm }) => (calm && of(calm)) ?? [])
    return members.length > 0 && said.length === members.length ? (said as T[]) : null
  }
  const rules = all(({ freeze }) => freeze)
  return {
    movesAtOnce: Math.max(...(all(({ movesAtOnce }) => movesAtOnce) ?? [Number.POSITIVE_INFINITY])),
    back: all(({ back }) => (back === false ? 'stays' : undefined)) === null,
    freeze: rules && {
      lost: Math.max(...rules.map(({ lost }) => lost)),
      settleMs: Math.max(...rules.map(({ settleMs }) => settleMs)),
    },
  }
}
