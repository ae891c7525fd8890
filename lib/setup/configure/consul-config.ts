/** The agent's configuration for one instance: the service, its guard check, and the watches that run the handlers. */

import { keysOf } from '../../base/names.ts'
import { guardCheckId } from '../../consul/health.ts'
import type { Definition } from '../../definition/definition.ts'
import { written } from '../../definition/variables.ts'
import { partitionService } from '../../keys/service-ids.ts'

/** The paths of everything that the agent runs, all absolute. */
export interface Place {
  readonly instance: string
  readonly definitionFile: string
  /** The file that runs the programs: a release's bin/run. */
  readonly node: string
  /** The directory that holds <program>.cjs. */
  readonly programs: string
  /** Arguments for every program, such as --state DIR: a handler has the agent's environment, not ours. */
  readonly more: readonly string[]
}

interface Check {
  readonly id: string
  readonly name: string
  readonly args: readonly string[]
  readonly interval: string
  readonly timeout: string
  readonly status: 'passing'
}

export interface ConsulConfig {
  readonly services: readonly {
    readonly name: string
    readonly id: string
    readonly tags?: readonly string[]
    readonly checks: readonly Check[]
  }[]
  readonly watches: readonly {
    readonly type: 'service' | 'keyprefix' | 'checks'
    readonly service?: string
    readonly prefix?: string
    readonly handler_type: 'script'
    readonly args: readonly string[]
  }[]
}

/** The configuration of one instance. */
export function consulConfig(definition: Definition, place: Place): ConsulConfig {
  const { name, id, tags } = definition
  if (definition.role === 'observer') return observerConfig(definition, place)
  const keys = keysOf(name)
  const args = (program: string, ...own: string[]) => command(program, definition, place, own)
  const script = 'script'
  return {
    services: [{ name, id, ...(tags.length > 0 && { tags }), checks: [guard(definition, args)] }],
    watches: [
      { type: 'service', service: name, handler_type: script, args: args('on-service') },
      { type: 'keyprefix', prefix: keys.spec, handler_type: script, args: args('on-keyprefix', '--watch', 'spec') },
      {
        type: 'keyprefix',
        prefix: keys.wake(place.instance),
        handler_type: script,
        args: args('on-keyprefix', '--watch', 'wake'),
      },
      { type: 'checks', service: name, handler_type: script, args: args('on-checks') },
      ...partitionWatches(definition, args),
    ],
  }
}

/**
 * An observer is a service of its own: it must not look like an instance, neither to DNS nor to `status`. Its check starts what
 * renders, and is always passing.
 */
function observerConfig(definition: Definition, place: Place): ConsulConfig {
  const { name, id, guardIntervalMs } = definition
  const args = (...own: string[]) => command('observe', definition, place, own)
  const interval = text(guardIntervalMs)
  const check = { id: `${id}-observer`, name: 'watchbill observer', args: args(), interval, timeout: '30s' }
  const watches = [
    { type: 'service', service: name, args: args('--watch', 'service') },
    { type: 'keyprefix', prefix: keysOf(name).spec, args: args('--watch', 'spec') },
  ] as const
  return {
    services: [{ name: `${name}-observer`, id: `${id}-observer`, checks: [{ ...check, status: 'passing' }] }],
    watches: watches.map(({ args, ...watch }) => ({ ...watch, handler_type: 'script', args })),
  }
}

/** The watch on TTL checks, which processes report to Consul. Our own check commands need no watch: we run them ourselves. */
function partitionWatches(
  { name, checks }: Definition,
  args: (program: string, ...own: string[]) => string[],
): ConsulConfig['watches'] {
  if (checks.every(({ ttlMs }) => ttlMs === null)) return []
  const handler = args('on-checks', '--watch', 'partitions')
  return [{ type: 'checks', service: partitionService(name), handler_type: 'script', args: handler }]
}

/**
 * Without "passing" an agent restart may lose the session. The guard keeps its own, shorter limits: Consul's timeout,
 * which makes the check critical, is only there for a guard that hangs.
 */
function guard(
  { id, guardIntervalMs, leaseMs }: Definition,
  args: (program: string, ...own: string[]) => string[],
): Check {
  const interval = text(guardIntervalMs)
  return {
    id: guardCheckId(id),
    name: 'watchbill guard',
    args: args('guard', '--interval', interval),
    interval,
    timeout: text(leaseMs),
    status: 'passing',
  }
}

function command(program: string, { name, variables }: Definition, place: Place, own: readonly string[]): string[] {
  return [
    ...[place.node, `${place.programs}/${program}.cjs`],
    ...['--instance', place.instance, '--service', name, '--definition', place.definitionFile],
    ...place.more,
    ...(Object.keys(variables).length > 0 ? ['--variables', written(variables)] : []),
    ...own,
  ]
}

/** A duration in a form that both Consul and our programs can read. */
function text(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`
}

/** Several configurations as one, in the way Consul itself merges files: its lists are appended. */
export function merged(configs: readonly ConsulConfig[]): ConsulConfig {
  return {
    services: configs.flatMap(({ services }) => services),
    watches: configs.flatMap(({ watches }) => watches),
  }
}

export function asText(config: ConsulConfig): string {
  return `${JSON.stringify(config, null, 2)}\n`
}
