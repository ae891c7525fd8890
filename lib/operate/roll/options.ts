/** The arguments of a roll-out, read. */
import { duration } from '../../base/clock.ts'
import { Permanent } from '../../base/errors.ts'
import type { Amount, Roll } from '../../keys/roll.ts'

/** As the programs get them. */
export interface RollWords {
  readonly 'max-unavailable'?: string | undefined
  readonly canary?: string | undefined
  readonly steps?: string | undefined
  readonly settle?: string | undefined
  readonly limit?: string | undefined
  readonly ack?: boolean | undefined
  readonly 'auto-revert'?: boolean | undefined
  readonly only?: string | undefined
}

export type RollOptions = Pick<Roll, 'max' | 'steps' | 'settleMs' | 'limitMs' | 'ack' | 'autoRevert' | 'only'>

export const rollArgs = {
  'max-unavailable': { type: 'string', description: 'how many may be unavailable at a time: 2, or 10%', default: '1' },
  canary: { type: 'string', description: 'a first step of so many, such as 1' },
  steps: { type: 'string', description: 'further steps: 10%,50%,100%' },
  settle: { type: 'string', description: 'how long each must be ready before it counts as well', default: '10s' },
  limit: { type: 'string', description: 'how long each may take to be ready', default: '60s' },
  ack: { type: 'boolean', description: 'each step waits for --proceed' },
  'auto-revert': { type: 'boolean', description: 'go back by itself when one fails' },
  only: { type: 'string', description: 'only the partitions that fit, such as eu-*' },
} as const

/** Whether `restart` is to restart everything step by step. @throws Permanent when the arguments do not go together */
export function mustRoll(
  words: RollWords & { readonly rolling?: boolean | undefined; readonly all?: boolean | undefined },
  partitions: readonly string[],
): boolean {
  const { rolling = false } = words
  if (rolling && partitions.length > 0) throw wrong('--rolling restarts all partitions; leave them out, or give --only')
  optionsFrom(words)
  if (!rolling && !words.all && partitions.length === 0)
    throw wrong('name the partitions, or say --all, or --rolling for all of them a few at a time')
  return rolling
}

const mostSteps = 19

/** @throws Permanent when one of them is wrong */
export function optionsFrom(words: RollWords): RollOptions {
  const { canary, steps = '', settle = '10s', limit = '60s' } = words
  const max = amount('max-unavailable', words['max-unavailable'] ?? '1')
  const first = canary === undefined ? [] : [amount('canary', canary)]
  const further = steps === '' ? [] : steps.split(',').map(step => amount('steps', step))
  if (further.length > mostSteps) throw wrong(`--steps has more than ${mostSteps} steps`)
  const whole: Amount = { percent: 100 }
  return {
    max,
    steps: [...first, ...further.filter(step => !isWhole(step)), whole],
    settleMs: time('settle', settle),
    limitMs: time('limit', limit),
    ack: words.ack ?? false,
    autoRevert: words['auto-revert'] ?? false,
    only: words.only ?? null,
  }
}

function amount(name: string, text: string): Amount {
  const [, number, unit] = /^(\d{1,6}(?:\.\d{1,3})?)(%?)$/.exec(text) ?? []
  const value = Number(number)
  if (unit === '%' && value > 0 && value <= 100) return { percent: value }
  if (unit === '' && Number.isSafeInteger(value) && value >= 1) return { number: value }
  throw wrong(`--${name} ${text} is neither a whole number of at least 1 nor a percentage up to 100%`)
}

function isWhole(step: Amount): boolean {
  return 'percent' in step && step.percent === 100
}

function time(name: string, text: string): number {
  const ms = duration(text)
  if (ms !== null && ms <= 3_600_000) return ms
  throw wrong(`--${name} ${text} is no duration of up to 1h, such as 10s`)
}

function wrong(what: string): Permanent {
  return new Permanent(`cannot read the arguments: ${what}`)
}
