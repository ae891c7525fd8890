/**
 * Restores for our child processes what Node changes: the soft limit of open files, ignored signals, and Node's own
 * variables. A release's bin/run and watchbill keep the caller's values in the environment
 * (lib/setup/release/caller.sh). When watchbill runs from its sources, the caller's values are unknown.
 */

const prefix = 'WATCHBILL_CALLER_'
const nofile = `${prefix}NOFILE`
const ignored = `${prefix}IGNORED`

type Environment = Readonly<Record<string, string | undefined>>

/** The environment as the caller had set it. */
export function callersEnvironment(env: Environment = process.env): NodeJS.ProcessEnv {
  const names = Object.keys(env).filter(name => name.startsWith(prefix))
  if (names.length === 0) return { ...env }
  const kept = names.filter(name => name !== nofile && name !== ignored)
  const others = Object.entries(env).filter(([name]) => !name.startsWith(prefix))
  return Object.fromEntries([...others, ...kept.map(name => [name.slice(prefix.length), env[name]])])
}

/** The caller's soft limit of open files; null when it equals the hard limit, or is unknown. */
export function callersLimit(env: Environment = process.env): string | null {
  const limit = env[nofile] ?? ''
  return /^\d+$/.test(limit) ? limit : null
}

/** The numbers of the signals that the caller ignored and that a shell can ignore. */
export function ignoredSignals(env: Environment = process.env): number[] {
  const mask = env[ignored] ?? ''
  if (!/^[0-9a-f]{1,16}$/i.test(mask)) return []
  const bits = BigInt(`0x${mask}`)
  const numbers = Array.from({ length: 31 }, (_, n) => n + 1).filter(n => (bits >> BigInt(n - 1)) & 1n)
  return numbers.filter(n => n !== 9 && n !== 19)
}

/** Wraps a command so that it starts with the caller's limit and ignores the caller's ignored signals. */
export function asCalled(
  command: readonly [string, ...string[]],
  env: Environment = process.env,
): readonly [string, ...string[]] {
  const [limit, signals] = [callersLimit(env) ?? '', ignoredSignals(env).join(' ')]
  if (limit === '' && signals === '') return command
  return ['/bin/sh', '-c', becomes, 'sh', limit, signals, ...command]
}

/** $1 and $2 are numbers: the shell reads no part of the command. */
const becomes = '[ -z "$1" ] || ulimit -Sn "$1"; [ -z "$2" ] || trap "" $2; shift 2; exec "$@"'
