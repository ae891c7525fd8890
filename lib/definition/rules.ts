/** Rules of placement, as a definition proposes them and as they stand in Consul. Plain JSON, compared by its digest. */

/** Which partitions a rule is for: those whose id fits a pattern, or whose document has one of these values at a pointer. */
export type Selector = string | { readonly field: string; readonly in: readonly string[] }

/** What is asked of an attribute: to be one of these, none of these, or a number of at least this. */
export type Wanted =
  | { readonly in: readonly string[] }
  | { readonly not: readonly string[] }
  | { readonly atLeast: number }

/** All that a rule may have in common with others. Without `for` it is for all partitions. */
interface For {
  readonly for?: Selector
}

/** Only members of which this is true may have the partition. */
export type Only = For & { readonly attribute: string } & Wanted
/** Members of which this is true are preferred. */
export type Prefer = Only & { readonly weight: number }
/** The partitions are shared out evenly, or by these shares, over the values of the attribute. */
export type Spread = For & { readonly over: string; readonly shares?: Readonly<Record<string, number>> }
/**
 * No two of a group on members with the same value of the attribute. A group are those that the rule is for; with `by`, those
 * with the same value there in their documents.
 */
export type Apart = For & { readonly over: string; readonly by?: string }
/** What a partition weighs: the number, or what stands in its document. */
export type Cost = For & ({ readonly is: number } | { readonly field: string })

export interface Rules {
  readonly only: readonly Only[]
  readonly prefer: readonly Prefer[]
  readonly spread: readonly Spread[]
  readonly apart: readonly Apart[]
  /** The first that is for a partition, and has a number for it, counts; otherwise it weighs 1. */
  readonly cost: readonly Cost[]
}

export const noRules: Rules = { only: [], prefer: [], spread: [], apart: [], cost: [] }

/** The rules that a definition proposes, and their digest. */
export interface Proposed {
  readonly digest: string
  readonly rules: Rules
}

export const mostRules = 100
/** The most bytes of all rules as JSON: they stand in one key, beside the pins. */
export const mostBytesOfRules = 64 * 1024
/** The most values or shares of one rule, and the most characters of one of them. */
export const mostValues = 100
export const mostText = 512
export const highestCost = 1_000_000
export const lowestCost = 0.001
export const highestPreference = 100

/** `node`, `instance`, `datacenter`, `tag`, or a name in `meta`. */
export const attributeName = /^(node|instance|datacenter|tag|meta\.[A-Za-z0-9_-]{1,128})$/
/** A spread or an apart needs one value for each member, and a member has many tags. */
export const oneValue = /^(node|instance|datacenter|meta\.[A-Za-z0-9_-]{1,128})$/
export const pointerText = /^(\/([^~/]|~[01])*)*$/

/** The JSON pointers at which rules look into documents, each once, sorted. */
export function pointersOf({ only, prefer, spread, apart, cost }: Rules): string[] {
  const selectors = [only, prefer, spread, apart, cost].flat().flatMap(rule => rule.for ?? [])
  return [
    ...new Set([
      ...selectors.flatMap(one => (typeof one === 'string' ? [] : one.field)),
      ...apart.flatMap(({ by }) => by ?? []),
      ...cost.flatMap(one => ('field' in one ? one.field : [])),
    ]),
  ].sort()
}

export function isCost(value: unknown): value is number {
  return typeof value === 'number' && value >= lowestCost && value <= highestCost
}

/** The rules in a value that anybody may have written; or what is wrong with it, in words. */
export function rulesIn(value: unknown): Rules | string {
  if (!isObject(value)) return '"rules" has to be an object'
  const size = sizeOf(value)
  if (size === null) return '"rules" is nested too deeply'
  if (size > mostBytesOfRules) return `"rules" takes more than ${mostBytesOfRules} characters`
  const kinds = Object.keys(checks) as (keyof Rules)[]
  const stray = Object.keys(value).find(name => !kinds.includes(name as keyof Rules))
  if (stray !== undefined) return `it has "${stray.slice(0, 40)}", which is no kind of rule`
  let count = 0
  for (const kind of kinds) {
    const { [kind]: list = [] } = value
    if (!Array.isArray(list)) return `"${kind}" has to be a list`
    count += list.length
    if (count > mostRules) return `it has more than ${mostRules} rules`
    for (const [at, rule] of list.entries()) {
      if (!isObject(rule) || !(rule.for === undefined || isSelector(rule.for))) return `"${kind}[${at}]" is not right`
      if (!checks[kind](rule)) return `"${kind}[${at}]" is not right`
    }
  }
  return { ...noRules, ...value }
}

/** Null for what JSON.parse can read and JSON.stringify cannot write: it runs out of stack. */
function sizeOf(value: unknown): number | null {
  try {
    return JSON.stringify(value).length
  } catch {
    return null
  }
}

type Fields = Record<string, unknown>

const checks: Record<keyof Rules, (rule: Fields) => boolean> = {
  only: isOnly,
  prefer: rule =>
    isOnly(rule) && isNumber(rule.weight, -highestPreference, highestPreference) && Number.isInteger(rule.weight),
  spread: ({ over, shares }) => isName(over, oneValue) && (shares === undefined || areShares(shares)),
  apart: ({ over, by }) => isName(over, oneValue) && (by === undefined || isName(by, pointerText)),
  cost: ({ is, field }) => (is === undefined) !== (field === undefined) && (isCost(is) || isName(field, pointerText)),
}

function isOnly(rule: Fields): boolean {
  if (!isName(rule.attribute, attributeName)) return false
  const there = ['in', 'not', 'atLeast'].filter(test => test in rule)
  if (there.length !== 1) return false
  if ('atLeast' in rule) return isNumber(rule.atLeast, -1e15, 1e15)
  return areTexts(rule.in ?? rule.not)
}

function isSelector(value: unknown): value is Selector {
  if (typeof value === 'string') return value !== '' && value.length <= mostText
  return isObject(value) && isName(value.field, pointerText) && areTexts(value.in)
}

function areShares(value: unknown): boolean {
  if (!isObject(value) || !areTexts(Object.keys(value))) return false
  return Object.values(value).every(share => isNumber(share, 0.001, highestCost))
}

function isName(value: unknown, pattern: RegExp): value is string {
  return typeof value === 'string' && value.length <= mostText && pattern.test(value)
}

function areTexts(value: unknown): value is string[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > mostValues) return false
  return value.every(text => typeof text === 'string' && text.length <= mostText)
}

function isNumber(value: unknown, least: number, most: number): value is number {
  return typeof value === 'number' && value >= least && value <= most
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
