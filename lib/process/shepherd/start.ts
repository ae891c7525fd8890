/** Launches shepherds: detached, so that they outlive the handler, the reload and the agent. */
import { closeSync, existsSync, openSync } from 'node:fs'
import { addressFrom } from '../../consul/address.ts'
import { confined } from '../../definition/confine.ts'
import type { Definition } from '../../definition/definition.ts'
import { commonEnvironment } from '../../definition/environment.ts'
import { expand } from '../../definition/expand.ts'
import { checkId, passPath } from '../../keys/service-ids.ts'
import { launchAll } from '../../machine/launch.ts'
import { asMark, randomMark } from '../../machine/marks.ts'
import { attempt, readFact, removeFact, writeFact } from '../../state/facts.ts'
import { instanceOf, type PartitionFiles } from '../../state/partition-paths.ts'
import { homeOf, joinFiles, makeGroup } from '../containment/groups.ts'
import type { Home } from '../containment/home.ts'

export interface Start {
  readonly files: PartitionFiles
  readonly service: string
  readonly instance: string
  readonly node: string
  readonly partition: string
  readonly acquisition: string
  readonly token: string
  readonly version: string
  /** The roll-out that wants it started; left out for none. */
  readonly roll?: string
  /** L and G of the acquisition, in ms. */
  readonly lease: number
  readonly grace: number
  /** The command that the partition's document chose; left out for the definition's command. */
  readonly command?: readonly string[]
}

const shepherd = `${import.meta.dirname}/shepherd.sh`

/** How many shepherds one launcher starts: their arguments must fit into a command line. */
const atOnce = 32

/** The shepherd of a partition or of the worker. */
export interface Shepherd extends Pick<Start, 'files' | 'acquisition' | 'lease' | 'grace' | 'command'> {
  /** The values of the placeholders. */
  readonly values: Readonly<Record<string, string>>
  readonly environment: Readonly<Record<string, string>>
  /** Limits of each process, in place of those of a control group: see process/limits/apply.ts. */
  readonly instead?: readonly string[]
}

/** @throws never: the status of a partition that cannot be started says so, and the next look tries again */
export async function launchShepherds(definition: Definition, shepherds: readonly Shepherd[]): Promise<void> {
  const [first] = shepherds
  if (first === undefined) return
  const instance = instanceOf(first.files)
  const home = await homeOf(instance)
  // The one process of a worker needs no clock beside it.
  const clock = definition.run.per === 'partition' ? instance.clock.pipe : ''
  for (let from = 0; from < shepherds.length; from += atOnce) {
    await launchBelow(home, clock, definition, shepherds.slice(from, from + atOnce))
  }
}

async function launchBelow(
  home: Home,
  clock: string,
  definition: Definition,
  shepherds: readonly Shepherd[],
): Promise<void> {
  for (const { files } of shepherds) prepare(files, home)
  const able = await limited(home, definition, shepherds)
  if (able.length === 0) return
  const items = able.map(shepherd => ({
    directory: shepherd.files.directory,
    environment: shepherd.environment,
    args: shepherdArguments(definition, shepherd),
  }))
  const problem = await launchAll(shepherd, definition.run.cwd ?? '/', items, { join: await joinFiles(home), clock })
  if (problem !== null) for (const { files } of able) writeFact(files.status, `cannot start: ${problem}`)
}

/** Those whose limits can be kept; the status of the others says why not. Most definitions limit nothing. */
async function limited(
  home: Home,
  { run: { limits } }: Definition,
  shepherds: readonly Shepherd[],
): Promise<readonly Shepherd[]> {
  if (limits === undefined && !shepherds.some(({ files }) => existsSync(files.limits))) return shepherds
  const { limiter, lift } = await import('../limits/apply.ts')
  const limit = limits && limiter(home, limits)
  return shepherds.flatMap(shepherd => {
    const { files } = shepherd
    if (limit === undefined) {
      lift(files)
      return shepherd
    }
    const { problem, instead } = limit(files, markOf(files))
    if (problem === null) return { ...shepherd, instead }
    writeFact(files.status, `cannot start: ${problem}`)
    return []
  })
}

function prepare(files: PartitionFiles, home: Home): void {
  removeFact(files.exit)
  makeGroup(home, files, markOf(files))
  removeFact(files.ready)
  writeFact(files.status, 'starting')
  attempt(`open ${files.output}`, () => closeSync(openSync(files.output, 'a', 0o600)))
}

/** The mark is kept as long as the directory: processes that carry it may outlive the one that is started. */
function markOf({ mark }: PartitionFiles): string {
  const known = asMark(readFact(mark))
  if (known !== null) return known
  const fresh = randomMark()
  writeFact(mark, fresh)
  return fresh
}

function shepherdArguments(definition: Definition, shepherd: Shepherd): string[] {
  const { files, acquisition, lease, grace, values, command = definition.run.command, instead } = shepherd
  const within = (args: readonly string[]) => confined(definition.run, expand(args, values), instead)
  const stopCommand = definition.stop.command === null ? [] : within(definition.stop.command)
  return [
    ...[files.directory, acquisition, String(lease), String(grace)],
    ...[definition.run.restart, definition.stop.signal, String(stopCommand.length), ...stopCommand],
    ...within(command),
  ]
}

/** The environment of a partition's process. */
export function environmentOf(definition: Definition, start: Start): Record<string, string> {
  return {
    ...commonEnvironment(definition, valuesOf(start)),
    WATCHBILL_PARTITION: start.partition,
    WATCHBILL_TOKEN: start.token,
    WATCHBILL_PAYLOAD: start.files.document,
    // Another user cannot write there.
    ...(definition.run.limits?.user === undefined ? { WATCHBILL_METRICS: start.files.metrics } : {}),
    ...(definition.ready === 'confirm' ? { WATCHBILL_READY: start.files.ready } : {}),
    ...passUrls(definition, start),
  }
}

/** The URL that passes each check which the process reports itself; none when Consul is a unix socket. */
function passUrls({ checks, id }: Definition, { partition }: Start): Record<string, string> {
  const own = checks.filter(({ ttlMs }) => ttlMs !== null)
  if (own.length === 0) return {}
  const { origin, socketPath } = addressFrom(process.env)
  if (socketPath !== null) return {}
  return Object.fromEntries(
    own.map(check => [
      `WATCHBILL_CHECK_${check.id.toUpperCase().replace(/[^A-Z0-9]/g, '_')}`,
      `${origin}${passPath(checkId(id, partition, check.id))}`,
    ]),
  )
}

/** The values of a definition's placeholders. */
export function valuesOf({ partition, token, version, node, instance, service }: Start): Record<string, string> {
  return { partition, token, version, node, instance, service }
}
