/**
 * What whoever started this program had set, and Node does not leave as it was: the soft limit of open files, ignored
 * signals, Node's own variables. A release's bin/run and watchbill keep it in the environment (lib/setup/release/caller.sh);
 * run from the sources, nothing is known of it. What we start is to find it as it was.
 */

const prefix = 'WATCHBILL_CALLER_'
const nofile = `${prefix}NOFILE`
const ignored = `${prefix}IGNORED`

type Environment = Readonly<Record<string, string | undefined>>

/** The environment as it came. */
export function callersEnvironment(env: Environment = process.env): NodeJS.ProcessEnv {
  const names = Object.keys(env).filter(name => name.startsWith(prefix))
  if (names.length === 0) return { ...env }
  const kept = names.filter(name => name !== nofile && name !== ignored)
  const others = Object.entries(env).filter(([name]) => !name.startsWith(prefix))
  return Object.fromEntries([...others, ...kept.map(name => [name.slice(prefix.length), env[name]])])
}

/** The soft limit of open files; null when it is the hard one, or not known. */
export function callersLimit(env: Environment = process.env): string | null {
  const limit = env[nofile] ?? ''
  return /^\d+$/.test(limit) ? limit : null
}

/** The numbers of the signals that were ignored, as far as they can be. */
export function ignoredSignals(env: Environment = process.env): number[] {
  const mask = env[ignored] ?? ''
  if (!/^[0-9a-f]{1,16}$/i.test(mask)) return []
  const bits = BigInt(`0x${mask}`)
  const numbers = Array.from({ length: 31 }, (_, n) => n + 1).filter(n => (bits >> BigInt(n - 1)) & 1n)
  return numbers.filter(n => n !== 9 && n !== 19)
}

/** A command such that it starts with that limit, and ignores those signals. */
export function asCalled(
  command: readonly [string, ...string[]],
  env: Environment = process.env,
): readonly [string, ...string[]] {
  const [limit, signals] = [callersLimit(env) ?? '', ignoredSignals(env).join(' ')]
  if (limit === '' && signals === '') return command
  return ['/bin/sh', '-c', becomes, 'sh', limit, signals, ...command]
}

/** Both are numbers: no value of a command is read by the shell. */
const becomes = '[ -z "$1" ] || ulimit -Sn "$1"; [ -z "$2" ] || trap "" $2; shift 2; exec "$@"'
