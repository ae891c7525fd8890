/** Shared by the programs for people: their arguments, and a connection to Consul that is closed at the end. */
import { duration } from '../base/clock.ts'
import { Permanent } from '../base/errors.ts'
import { keysOf } from '../base/names.ts'
import { didYouMean } from '../base/near.ts'
import { printable, shellWord } from '../base/printable.ts'
import { listed } from '../base/text.ts'
import { Consul } from '../consul/http.ts'
import { foldersBelow } from '../consul/kv.ts'
import { knownServices } from '../keys/services.ts'
import { debugLine } from './frame.ts'
import { reachConsul } from './instance-args.ts'
import { type Candidates, mustName, type Which, whichPartitions, wholeSet } from './which.ts'

export const serviceArg = {
  service: { type: 'positional', description: 'the Consul service name', required: true },
} as const

export const operatorDryRunArg = {
  'dry-run': { type: 'boolean', description: 'print what would be done, and change nothing' },
} as const

export const jsonArg = { json: { type: 'boolean', description: 'print JSON' } } as const

export const consulArgs = {
  'http-addr': { type: 'string', description: "Consul's HTTP address (default $CONSUL_HTTP_ADDR or 127.0.0.1:8500)" },
  'token-file': { type: 'string', description: 'a file with the Consul token (default $CONSUL_HTTP_TOKEN_FILE)' },
} as const

export const consulDirArg = {
  'consul-dir': {
    type: 'string',
    description: "Consul's configuration directory (default $WATCHBILL_CONSUL_DIR or /etc/consul.d)",
  },
} as const

export function consulDir(args: { readonly 'consul-dir'?: string | undefined }): string {
  return args['consul-dir'] || process.env.WATCHBILL_CONSUL_DIR || '/etc/consul.d'
}

/** The ms of `--wait`. @throws Permanent when it is not a duration, or longer than an hour */
export function waitLimit(wait: string): number {
  const limit = duration(wait)
  if (limit !== null && limit <= 3_600_000) return limit
  const why =
    limit === null ? 'no duration; give a number with its unit, such as 30s or 5m' : 'too long; give up to 60m'
  throw new Permanent(`cannot read the arguments: --wait ${wait} is ${why}`)
}

/** The values of `consulArgs`. */
export interface ConsulArgs {
  readonly 'http-addr'?: string | undefined
  readonly 'token-file'?: string | undefined
}

/** Runs `work` with a connection to Consul. */
export async function withConsul<T>(args: ConsulArgs, work: (consul: Consul) => Promise<T>): Promise<T> {
  reachConsul(args['http-addr'], args['token-file'])
  const consul: Consul = new Consul({ debug: debugLine, by: () => whoAsks(consul) })
  try {
    return await work(consul)
  } catch (error) {
    throw await withCause(consul, error)
  } finally {
    consul.close()
  }
}

/** Runs `work` with a connection to Consul. @throws Permanent as mustKnow does */
export function withService<T>(
  args: ConsulArgs & { readonly service: string },
  work: (consul: Consul, service: string) => Promise<T>,
): Promise<T> {
  return withConsul(args, async consul => {
    await mustKnow(consul, args.service)
    return work(consul, args.service)
  })
}

/** The error with its cause, as far as Consul can tell; the error itself when nothing more can be loaded or asked. */
async function withCause(consul: Consul, error: unknown): Promise<unknown> {
  try {
    const { explained } = await import('../consul/leader.ts')
    return await explained(consul, error)
  } catch {
    return error
  }
}

/** @throws Permanent when watchbill has no such service: a typing mistake must not look like "nothing runs". */
export async function mustKnow(consul: Consul, service: string): Promise<void> {
  if ((await foldersBelow(consul, keysOf(service).root)).length > 0) return
  const services = await knownServices(consul)
  throw new Permanent(
    `cannot find the service ${service}: watchbill keeps no such service; ${thereAre(service, services)}`,
  )
}

/** What somebody may have meant: all that there are, or of many the nearest. */
export function thereAre(service: string, services: readonly string[]): string {
  if (services.length === 0) return 'there is none yet'
  const some = listed(services)
  const meant = services.length > 10 ? didYouMean(service, services) : ''
  return `there are ${some}${meant}`
}

/** Asks for confirmation on the terminal. @throws Permanent when the answer is not yes, or stdin is not a terminal */
export async function confirm(act: string, question: string): Promise<void> {
  const answer = await ask(`${question} [y/N]`, 'say --yes')
  if (!/^y(es)?$/i.test(answer)) throw new Permanent(`cannot ${act}: not confirmed`)
}

/** Asks for an answer on the terminal. @param instead what to do where there is none @throws Permanent then */
export async function ask(question: string, instead: string): Promise<string> {
  if (!process.stdin.isTTY) throw new Permanent(`cannot ask: there is no terminal; ${instead}`)
  const { createInterface } = await import('node:readline/promises')
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await terminal.question(`${printable(question)} `)
  terminal.close()
  return answer.trim()
}

export const yesArg = {
  yes: { type: 'boolean', alias: 'y', description: 'do not ask, on a terminal, whether all that fit are meant' },
} as const

/** The arguments of programs that act on single partitions. */
export const partitionArgs = {
  ...serviceArg,
  partition: { type: 'positional', description: "the partition, or several: 'tenant-*'", required: false },
  rest: { type: 'positional', description: 'more partitions', required: false },
  all: { type: 'boolean', description: 'all of them' },
  ...yesArg,
  ...operatorDryRunArg,
  ...jsonArg,
  ...consulArgs,
} as const

export interface PartitionArgs extends ConsulArgs {
  readonly service: string
  /** The service, then the partitions. */
  readonly _: readonly string[]
  readonly all?: boolean | undefined
  readonly yes?: boolean | undefined
  readonly 'dry-run'?: boolean | undefined
  readonly json?: boolean | undefined
}

/** The person who runs this program; loaded when a change is recorded. */
export async function whoAsks(consul: Consul): Promise<string> {
  const { who } = await import('./who.ts')
  return who(consul)
}

/**
 * Runs `work` with a connection and the partitions that are meant. Somebody at a terminal is asked first whether they mean as
 * many as fit a pattern, or `--all`; a script is not. @param candidates what a pattern chooses from
 * @throws Permanent when none is named, or that is not what was meant
 */
export async function withPartitions<T>(
  act: string,
  args: PartitionArgs,
  work: (consul: Consul, partitions: readonly string[], dryRun: boolean) => Promise<T>,
  candidates: Candidates = wholeSet,
): Promise<T> {
  const which = { service: args.service, named: args._.slice(1), all: args.all ?? false }
  mustName(which)
  const dryRun = args['dry-run'] ?? false
  return withService(args, async consul => {
    const found = await whichPartitions(consul, which, candidates)
    if (!dryRun) await mustMean(act, which, found, args.yes)
    return work(consul, found, dryRun)
  })
}

/** @throws Permanent when somebody at a terminal does not mean so many; a script is not asked */
export async function mustMean(act: string, which: Which, found: readonly string[], yes = false): Promise<void> {
  const isMany = found.length > 1 && (which.all || found.length > which.named.length)
  if (!isMany || yes || !process.stdin.isTTY) return
  await confirm(act, `${act} ${found.length} partitions of ${which.service}: ${listed(found)}?`)
}

/** The instance and the partition of the calling process, from its environment; '' when not set there. */
export function callersPartition(): { readonly instance: string; readonly partition: string } {
  const { WATCHBILL_INSTANCE: instance = '', WATCHBILL_PARTITION: partition = '' } = process.env
  return { instance, partition }
}

/** @throws Permanent that names the ids which are not partitions */
export function mustBePartitions(
  act: string,
  service: string,
  known: ReadonlySet<string>,
  named: readonly string[],
): void {
  const none = named.filter(id => !known.has(id))
  if (none.length === 0) return
  throw new Permanent(
    `cannot ${act} ${none.join(', ')}: ${service} has no such partition; see watchbill partitions ${shellWord(service)}`,
  )
}
