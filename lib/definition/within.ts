/** Whether a definition stays within the bounds of this machine: see bounds.ts. Pure. */
import { posix } from 'node:path'
import { glob } from '../base/glob.ts'
import type { Bounds } from './bounds.ts'
import { commandsIn, type Named } from './commands.ts'
import type { Definition, Render, Source } from './definition.ts'
import { placeholders } from './expand.ts'
import { type Amount, amounts } from './limits.ts'
import { fieldPath, shown } from './wording.ts'

/** The first field that is outside, as `<field>: <what>`; null when all is within. */
export function outside(definition: Definition, bounds: Bounds): string | null {
  for (const test of tests) {
    const found = test(definition, bounds)
    if (found !== null) return found
  }
  return null
}

const tests: readonly ((definition: Definition, bounds: Bounds) => string | null)[] = [
  userFault,
  niceFault,
  commandFault,
  moduleFault,
  directoryFault,
  environmentFault,
  fileFault,
  portFault,
  amountFault,
]

function userFault(
  { run: { limits = {} }, assign, render = [] }: Definition,
  { users, groups }: Bounds,
): string | null {
  const { user, group } = limits
  if (users !== undefined && user === undefined) return `run.user: is missing; users has ${list(users)}`
  if (users !== undefined && !users.includes(user as string)) return `run.user: ${shown(user)} is not in users`
  // Where the user cannot be had, the command would then run as the agent.
  if (users !== undefined && limits.bestEffort)
    return 'run.limits: "best-effort" may leave out run.user, and users are bounded'
  // A scheduler runs as the user of the agent unless it says another one.
  if (users !== undefined && assign !== undefined && !users.includes(assign.user ?? ''))
    return assign.user === undefined
      ? `assign.user: is missing; users has ${list(users)}`
      : `assign.user: ${shown(assign.user)} is not in users`
  const owned = render.findIndex(({ owner }) => owner !== undefined && !mayOwn(owner, users, groups))
  if (users !== undefined && owned >= 0)
    return `render[${owned}].owner: ${shown(render[owned]?.owner)} is not in users and groups`
  // Where users are bounded, a group would be another way to what they may not have.
  if (group === undefined || (users === undefined && groups === undefined)) return null
  return groups?.includes(group) ? null : `run.group: ${shown(group)} is not in groups`
}

/** @param owner as chown takes it: `user`, `user:group` or `:group` */
function mayOwn(owner: string, users: readonly string[] = [], groups: readonly string[] = []): boolean {
  const [user = '', group] = owner.split(':')
  return (user === '' || users.includes(user)) && (group === undefined || groups.includes(group))
}

function niceFault({ run: { limits } }: Definition, { nice }: Bounds): string | null {
  if (nice === undefined || limits?.nice === undefined || limits.nice >= nice) return null
  return `run.nice: ${limits.nice} is below nice, ${nice}`
}

function commandFault(definition: Definition, bounds: Bounds): string | null {
  for (const one of commandsIn(definition)) {
    const found = programFault(definition, one, bounds) ?? lineFault(definition, one, bounds)
    if (found !== null) return found
  }
  return null
}

function programFault({ run }: Definition, { field, command }: Named, { programs, commands }: Bounds): string | null {
  const [name = ''] = command
  const place = `${field}[0]: ${shown(name)}`
  if ((programs ?? commands) !== undefined && hasPlaceholder(name))
    return `${place} holds a placeholder, so that a partition would choose the program`
  if (programs === undefined) return null
  if (!name.includes('/')) return `${place} is sought on PATH, and programs has only directories; give its path`
  return isIn(programs, posix.resolve(run.cwd ?? '/', name)) ? null : `${place} is in no directory of programs`
}

function lineFault({ name, run }: Definition, { field, command }: Named, { commands }: Bounds): string | null {
  if (commands === undefined) return null
  const [program = '', ...args] = command
  // The path that it comes to: `/usr/lib/consumer/../../bin/sh` must not fit `/usr/lib/consumer/*`.
  const path = program.includes('/') ? posix.resolve(run.cwd ?? '/', program) : program
  if (linesFor(commands, name).some(patterns => matches(patterns, [path, ...args]))) return null
  return `${field}: ${shown(command.join(' '))} fits none of the command lines for ${name} in commands`
}

function linesFor(commands: NonNullable<Bounds['commands']>, name: string): readonly (readonly string[])[] {
  return [...(own(commands, name) ?? []), ...(own(commands, '*') ?? [])]
}

/** "..." at the end stands for any further arguments. */
function matches(patterns: readonly string[], command: readonly string[]): boolean {
  const isOpen = patterns.at(-1) === '...'
  const fixed = isOpen ? patterns.slice(0, -1) : patterns
  if (isOpen ? command.length < fixed.length : command.length !== fixed.length) return false
  return fixed.every((pattern, index) => glob(masked(pattern))(masked(command[index] as string)))
}

/**
 * A placeholder becomes what no argument can hold, so that only a star, or the same placeholder, covers it: then the
 * argument fits whatever the id of a partition is.
 */
function masked(argument: string): string {
  return placeholders.reduce((text, word) => text.replaceAll(`{${word}}`, `\u0000${word}\u0000`), argument)
}

function hasPlaceholder(text: string): boolean {
  return placeholders.some(word => text.includes(`{${word}}`))
}

function moduleFault({ name, source, assign }: Definition, bounds: Bounds): string | null {
  const modules = { 'partitions.module': source?.from, 'assign.module': assign?.from }
  for (const [field, from] of Object.entries(modules)) {
    const found = from?.kind === 'module' ? faultOfModule(name, field, from.path, bounds) : null
    if (found !== null) return found
  }
  return null
}

function faultOfModule(name: string, field: string, path: string, { programs, commands }: Bounds): string | null {
  if (programs !== undefined && !isIn(programs, posix.resolve(path)))
    return `${field}: ${shown(path)} is in no directory of programs`
  if (commands === undefined) return null
  if (linesFor(commands, name).some(patterns => matches(patterns, [posix.resolve(path)]))) return null
  return `${field}: ${shown(path)} fits none of the command lines for ${name} in commands`
}

/** A program may load what lies in its working directory. */
function directoryFault({ run: { cwd } }: Definition, { programs, commands }: Bounds): string | null {
  if (cwd === null || (programs === undefined && commands === undefined)) return null
  return isIn(programs ?? [], `${posix.resolve(cwd)}/`) ? null : `run.cwd: ${shown(cwd)} is in no directory of programs`
}

/** A variable such as LD_PRELOAD or PATH makes another program of an allowed one. */
function environmentFault({ run }: Definition, { env, programs, commands }: Bounds): string | null {
  if (env === undefined && programs === undefined && commands === undefined) return null
  const allowed = (env ?? []).map(glob)
  const name = Object.keys(run.env).find(name => !allowed.some(fits => fits(name)))
  return name === undefined ? null : `${fieldPath(['run', 'env', name])}: is not in env`
}

/** Files that watchbill opens as the user of the agent. */
function fileFault(definition: Definition, { files }: Bounds): string | null {
  if (files === undefined) return null
  const found = filesOf(definition).find(([, path]) => !isIn(files, posix.resolve(path)))
  return found === undefined ? null : `${found[0]}: ${shown(found[1])} is in no directory of files`
}

function filesOf({ source, metrics, render = [] }: Definition): [field: string, path: string][] {
  return [
    ...(source === null ? [] : filesOfSource(source)),
    ...(metrics?.textfile === undefined ? [] : [['metrics.textfile', metrics.textfile] as [string, string]]),
    ...render.flatMap(filesOfRender),
  ]
}

function filesOfRender({ template, dest, clean }: Render, index: number): [field: string, path: string][] {
  const all = Object.entries({ template, dest, clean })
  return all.flatMap(([field, path]) => (path === undefined ? [] : [[`render[${index}].${field}`, path]]))
}

function filesOfSource({ from }: Source): [field: string, path: string][] {
  if (from.kind === 'file') return [['partitions.file', from.path]]
  if (from.kind !== 'http') return []
  const headers = Object.entries(from.headers).flatMap(([name, value]): [string, string][] =>
    typeof value === 'string' ? [] : [[fieldPath(['partitions', 'http', 'headers', name]), value.file]],
  )
  const tls = (['ca', 'cert', 'key'] as const).flatMap((name): [string, string][] =>
    from.tls[name] === null ? [] : [[`partitions.http.tls.${name}`, from.tls[name] as string]],
  )
  return [...headers, ...tls]
}

function portFault({ register }: Definition, { ports }: Bounds): string | null {
  if (register === null || ports === undefined) return null
  const { port } = register
  return ports.some(([from, to]) => port >= from && port <= to) ? null : `register.port: ${port} is not in ports`
}

/** Where a sum is bounded, each definition says its part, and how many partitions it may have here at most. */
function amountFault(definition: Definition, bounds: Bounds): string | null {
  for (const amount of amounts) {
    if (bounds[amount] === undefined) continue
    const { limits } = definition.run
    if (limits?.[amount] === undefined) return `run.${amount}: is missing, and the sum of all services is bounded`
    if (limits.bestEffort) return `run.limits: "best-effort" may leave out run.${amount}, and the sum is bounded`
    if (mostAtOnce(definition) === null)
      return `maxPartitions: is missing, and the sum of run.${amount} of all services is bounded`
    const need = needOf(definition, amount) as number
    if (need > bounds[amount]) return sumFault(definition, amount, need, bounds[amount])
  }
  return null
}

/** The first sum that is too large together with others. @param others those that count before this one */
export function sumOutside(definition: Definition, others: readonly Definition[], bounds: Bounds): string | null {
  for (const amount of amounts) {
    const most = bounds[amount]
    if (most === undefined) continue
    const before = others.reduce((sum, other) => sum + (needOf(other, amount) ?? 0), 0)
    const need = needOf(definition, amount) ?? 0
    if (before + need > most) return sumFault(definition, amount, need, most, before, others.length)
  }
  return null
}

function sumFault(definition: Definition, amount: Amount, need: number, most: number, before = 0, others = 0): string {
  const times = mostAtOnce(definition)
  const each = definition.run.limits?.[amount]
  const beside = others > 0 ? `, and ${others} other service${others > 1 ? 's' : ''} may take ${before}` : ''
  return `run.${amount}: ${times} × ${each} = ${need}${beside}: more than ${most}, the sum of all services`
}

function needOf(definition: Definition, amount: Amount): number | null {
  const [each, times] = [definition.run.limits?.[amount], mostAtOnce(definition)]
  return each === undefined || times === null ? null : each * times
}

function mostAtOnce({ run, maxPartitions }: Definition): number | null {
  return run.per === 'instance' ? 1 : maxPartitions
}

/** @param path absolute and without `..`; with a slash at its end for a directory */
function isIn(directories: readonly string[], path: string): boolean {
  return directories.some(directory => path.startsWith(directory))
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'nobody' : names.slice(0, 5).join(', ')
}

function own<Value>(of: Readonly<Record<string, Value>>, name: string): Value | undefined {
  return Object.hasOwn(of, name) ? of[name] : undefined
}
