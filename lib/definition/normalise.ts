import { duration } from '../base/clock.ts'
import { quantity } from '../base/quantity.ts'
import type { Assign } from './assign.ts'
import type { CheckDefinition, FigureCheck, Reaction } from './checks.ts'
import type { Definition, FreezeRule, StandIn, Versions } from './definition.ts'
import type { Limits } from './limits.ts'
import { proposedFrom } from './placement.ts'
import { rendersFrom } from './render.ts'
import type { DefinitionFile } from './schema.ts'
import { sourceOf } from './source.ts'
import type { Variables } from './variables.ts'

/** The default timeout of a check is its interval, but at most this, ms. */
const longestTimeout = 10_000

/** A definition file in the form that the programs use: ids listed, durations in milliseconds, defaults filled in. */
export function normalised(from: DefinitionFile, variables: Variables = {}): Definition {
  const { count } = from.partitions
  const named = typeof count === 'object' ? count.env : null
  return {
    ...(from.role && { role: from.role }),
    name: from.name,
    id: from.id ?? from.name,
    ...(from.title === undefined ? {} : { title: from.title }),
    tags: from.tags,
    weight: from.weight,
    maxPartitions: from.maxPartitions,
    ...(from.maxCost === undefined ? {} : { maxCost: from.maxCost }),
    ...(from.meta && {
      meta: Object.fromEntries(Object.entries(from.meta).map(([name, value]) => [name, String(value)])),
    }),
    ...(from.placement && { placement: proposedFrom(from.placement) }),
    ...(from.assign && { assign: assignFrom(from.assign) }),
    partitions: partitionIds(from.partitions, variables),
    ...shareOf(from.partitions),
    source: sourceOf(from.partitions),
    onChange: from.partitions.onChange ?? null,
    variables: named === null ? {} : { [named]: variables[named] ?? '' },
    run: runFrom(from.run),
    stop: {
      signal: from.stop.signal,
      graceMs: ms(from.stop.grace),
      command: from.stop.command ?? null,
      // Left out when not set, so that the digest stays the same across versions.
      ...(from.stop.gone && { gone: from.stop.gone }),
    },
    ...(from.starts && { startsAtOnce: from.starts.atOnce }),
    checks: from.checks.map(checkFrom),
    ...(from.metrics && { metrics: from.metrics }),
    ...(from.ready === undefined ? {} : { ready: from.ready }),
    hooks: from.hooks,
    ...(from.variables && { templateVariables: from.variables }),
    ...(from.render && { render: rendersFrom(from.render) }),
    register: from.register ?? null,
    ...calmOf(from),
    ...isolatedOf(from),
    ...(from.versions && { versions: versionsFrom(from.versions) }),
    guardIntervalMs: ms(from.guard.interval),
    leaseMs: ms(from.lease),
  }
}

function assignFrom({ command, module = '', ...from }: NonNullable<DefinitionFile['assign']>): Assign {
  return {
    from: command === undefined ? { kind: 'module', path: module } : { kind: 'command', command },
    everyMs: ms(from.every),
    timeoutMs: ms(from.timeout),
    on: [...new Set(from.on)].sort(),
    ...(from.user !== undefined && { user: from.user }),
    giveUpAfterMs: ms(from.giveUpAfter),
    actions: from.actions,
  }
}

/** How long a state must have stood when the file does not say, ms. */
const settleMs = 30_000

function shareOf({ percent, of = 'weight', settle }: DefinitionFile['partitions']): Pick<Definition, 'share'> {
  if (percent === undefined) return {}
  return { share: { percent, of, settleMs: settle === undefined ? settleMs : ms(settle) } }
}

/** Each field is left out when the file has none, so that the digest stays the same. */
function calmOf({ wait, moves, back, freeze }: DefinitionFile) {
  return {
    ...(wait !== undefined && { waitMs: ms(wait) }),
    ...(moves && { movesAtOnce: moves.atOnce }),
    ...(back === false && { back }),
    ...(freeze && { freeze: freezeOf(freeze) }),
  }
}

function isolatedOf({ whenIsolated, onBoot }: DefinitionFile): Pick<Definition, 'whenIsolated' | 'onBoot'> {
  return {
    ...(whenIsolated !== undefined && whenIsolated !== 'stop' && { whenIsolated: whenIsolated as 'keep' | StandIn }),
    ...(onBoot && { onBoot }),
  }
}

function versionsFrom({ timeout, ...versions }: NonNullable<DefinitionFile['versions']>): Versions {
  return { ...versions, timeoutMs: ms(timeout) } as Versions
}

function freezeOf({ lost, settle }: NonNullable<DefinitionFile['freeze']>): FreezeRule {
  return { lost: Number.parseInt(lost, 10) / 100, settleMs: settle === undefined ? settleMs : ms(settle) }
}

function runFrom({ command, env, restart, per, cwd, ...limits }: DefinitionFile['run']): Definition['run'] {
  const run = { env, restart, per, cwd: cwd ?? null, ...limitsFrom(limits) }
  if (Array.isArray(command)) return { ...run, command }
  const { choose: pointer, of } = command
  return { ...run, command: [], choose: { pointer, of } }
}

function limitsFrom({
  limits: mode,
  memory,
  ulimit,
  ...limits
}: Omit<DefinitionFile['run'], 'command' | 'env' | 'restart' | 'per' | 'cwd'>): { limits?: Limits } {
  const given = {
    ...limits,
    ...(ulimit && Object.keys(ulimit).length > 0 && { ulimit }),
    ...(memory !== undefined && { memory: Math.floor(amount(memory)) }),
  }
  if (Object.keys(given).length === 0) return {}
  return { limits: { ...(given as Limits), ...(mode === 'best-effort' && { bestEffort: true as const }) } }
}

function partitionIds({ range, list, count }: DefinitionFile['partitions'], variables: Variables): string[] {
  if (count !== undefined) {
    const number = typeof count === 'object' ? Number(variables[count.env]) : count
    return Array.from({ length: number }, (_, index) => String(index))
  }
  if (!range) return list ?? []
  const [first, last] = range
  return Array.from({ length: last - first + 1 }, (_, index) => String(first + index))
}

function checkFrom({
  ttl,
  command,
  metric,
  interval,
  timeout,
  ...check
}: DefinitionFile['checks'][number]): CheckDefinition {
  const intervalMs = ms(interval)
  return {
    id: check.id ?? check.name,
    name: check.name,
    notes: check.notes,
    tags: check.tags,
    ttlMs: ttl === undefined ? null : ms(ttl),
    command: command ?? null,
    ...(metric !== undefined && { figure: figureFrom(metric, check) }),
    intervalMs,
    timeoutMs: timeout === undefined ? Math.min(intervalMs, longestTimeout) : ms(timeout),
    failuresBeforeCritical: check.failuresBeforeCritical,
    forMs: ms(check.for),
    coolDownMs: ms(check.coolDown),
    movesPerHour: check.movesPerHour,
    onFailure: reactions(check.onFailure),
    onWarning: reactions(check.onWarning),
    onPass: reactions(check.onPass),
  }
}

function figureFrom(
  metric: string,
  { above, below, unchangedFor }: Pick<DefinitionFile['checks'][number], 'above' | 'below' | 'unchangedFor'>,
): FigureCheck {
  return {
    metric,
    ...(above !== undefined && { above: amount(above) }),
    ...(below !== undefined && { below: amount(below) }),
    ...(unchangedFor !== undefined && { unchangedMs: ms(unchangedFor) }),
  }
}

function amount(from: number | string): number {
  return typeof from === 'number' ? from : (quantity(from) as number)
}

/** One command, one built-in, or a list of these. A list of strings is one command. */
function reactions(from: DefinitionFile['checks'][number]['onPass']): Reaction[] {
  if (from === undefined) return []
  if (typeof from === 'string') return [from]
  return from.every(part => typeof part === 'string') ? [from as string[]] : (from as Reaction[])
}

function ms(text: string): number {
  return duration(text) as number
}
