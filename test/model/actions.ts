/** The faults of a run, as data that fast-check generates and shrinks. */
import fc from 'fast-check'
import { garbledAnswers, hostileWrites, rulesOfPlacement } from './garbled.ts'
import { plans, spoilt } from './plans.ts'
import type { Fault } from './program.ts'

/** The host and the partition, by number modulo their count; the time after the previous action, ms. */
interface Where {
  readonly host: number
  readonly partition: number
  readonly after: number
}
type Details = { readonly for?: number; readonly program?: 'guard' | 'handler'; readonly fault?: Fault } & {
  readonly nth?: number
  readonly how?: number
}

const where = { host: fc.nat(2), partition: fc.nat(3), after: fc.oneof(fc.nat(300), fc.nat(4000), fc.nat(20_000)) }
const lasting = { for: fc.oneof(fc.nat(4000), fc.nat(40_000)) }
const fault = fc.record({
  kind: fc.constantFrom('killed', 'stopped', 'disk full', 'disk read-only' as const),
  at: fc.integer({ min: 1, max: 40 }),
})

/** Every kind of action, with its parameters. */
const kinds = {
  cut: lasting,
  'agent killed': lasting,
  'cut and powered off': { ...lasting, how: fc.nat(2), nth: fc.nat(12_000) },
  'host frozen': lasting,
  'guard hung': lasting,
  'read held back': lasting,
  'write held back': lasting,
  'answer late': { for: fc.nat(5500) },
  'answer lost': {},
  'answer garbled': { nth: fc.nat(6), how: fc.nat(garbledAnswers.length - 1) },
  'lost while a read is answered, then cut': { for: fc.nat(5000) },
  'lost while a write is answered, then cut': { for: fc.nat(5000) },
  'program fails': { program: fc.constantFrom('guard', 'handler' as const), fault },
  'disk full': lasting,
  'disk read-only': lasting,
  'lease torn': {},
  'session destroyed': {},
  'cut and session destroyed': {},
  'shepherd killed': {},
  'shepherd stopped': {},
  'clock killed': {},
  'clock stopped': {},
  'clock hung': {},
  'worker killed': {},
  'host rebooted': {},
  'clock begins anew': {},
  'strangers come': {},
  drained: {},
  'drain over': {},
  'rules put in force': { how: fc.nat(rulesOfPlacement.length - 1) },
  pinned: {},
  'rules over': {},
  'plan put in force': { how: fc.nat(plans.length - 1), nth: fc.nat(spoilt.length - 1) },
  'plan over': {},
  'partition removed': {},
  'partition added': {},
  'lock deleted': {},
  'lock made anew as clean': {},
  'lock overwritten': {},
  'lock overwritten as clean': {},
  'hostile write': { how: fc.nat(hostileWrites.length - 1) },
  'everything wiped': {},
  left: {},
  'cut while it leaves': { for: fc.nat(300) },
  joined: {},
  'backup made': {},
  'backup restored': {},
  'terms changed': {},
  'definition shrunk': {},
  'epoch raised': {},
  'set deleted': {},
  scaled: { how: fc.nat(4) },
  'scale reset': {},
  rolled: { how: fc.nat(2) },
  frozen: {},
  thawed: {},
  'state directory removed': {},
} as const satisfies Record<string, { readonly [Name in keyof Details]: fc.Arbitrary<Details[Name]> }>

export type Kind = keyof typeof kinds
export type Action = Where & Details & { readonly do: Kind }

/**
 * Without kinds that have a property of their own: one may cause a wait of minutes, the other needs keys that are
 * never wiped. What powers machines off reads much, so that runs with it take longer.
 */
const apart: readonly Kind[] = ['hostile write', 'epoch raised', 'cut and powered off']
const ordinary = (Object.keys(kinds) as Kind[]).filter(kind => !apart.includes(kind))

function actionOf(kind: Kind): fc.Arbitrary<Action> {
  return fc.record(
    { do: fc.constant(kind), ...where, ...kinds[kind] },
    { noNullPrototype: true },
  ) as fc.Arbitrary<Action>
}

/** Some of these kinds, in any order. */
export function actionsOf(kinds: readonly Kind[]): fc.Arbitrary<Action[]> {
  return fc.array(fc.oneof(...kinds.map(actionOf)), { minLength: 1, maxLength: 8, size: 'max' })
}

/** All of these actions in this order, each on its host. */
export function actionsInOrder(kinds: readonly (readonly [kind: Kind, host: number])[]): fc.Arbitrary<Action[]> {
  return fc.tuple(...kinds.map(([kind, host]) => actionOf(kind).map(action => ({ ...action, host }))))
}

/** A few kinds of faults, repeated: with all kinds at once the order that matters would be rare. */
export const anyActions: fc.Arbitrary<Action[]> = fc
  .uniqueArray(fc.constantFrom(...ordinary), { minLength: 1, maxLength: 5, size: 'max' })
  .chain(actionsOf)
