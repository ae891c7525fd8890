/** Which instances of this machine leave, and how Consul's agent runs their programs. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { bootId } from '../base/clock.ts'
import { Permanent } from '../base/errors.ts'
import { attempt } from '../state/facts.ts'
import { identityOf, localInstances } from '../state/identity.ts'
import { instanceFiles } from '../state/paths.ts'

export interface ToLeave {
  readonly instance: string
  readonly service: string
  readonly state: string
  /** As `configure` wrote them; left out where the default holds. */
  readonly address?: string | undefined
  readonly tokenFile?: string | undefined
  readonly variables?: string | undefined
  /** The user that the agent runs as, who owns the state directory. */
  readonly user: { readonly uid: number; readonly gid: number }
}

/**
 * Those that have taken part since the machine started: in the state directory, and in those that the files of `configure` name.
 * @param root the state directory @param consulDir Consul's configuration directory
 */
export function instancesToLeave(root: string, consulDir: string): ToLeave[] {
  const configured = configuredIn(consulDir)
  const roots = new Set([root, ...configured.flatMap(args => args.get('state') ?? [])])
  return [...roots].flatMap(state => (isDirectory(state) ? instancesIn(state, root, configured) : []))
}

/** The instance of a service that is meant. @throws Permanent when the service has none here, or several and none is named */
export function instanceToLeave(root: string, service: string, wanted: string | undefined): string {
  const here = localInstances(root).filter(instance => identityOf(instanceFiles(root, instance))?.service === service)
  const found = wanted === undefined ? here : here.filter(instance => instance === wanted)
  if (found.length === 1) return found[0] as string
  const there =
    here.length > 0 ? `there are ${here.join(', ')}; name one with --instance` : `there is none in ${root}; see --state`
  throw new Permanent(`cannot leave ${wanted ?? service}: it is not clear which instance; ${there}`)
}

type Arguments = ReadonlyMap<string, string>

function instancesIn(state: string, root: string, configured: readonly Arguments[]): ToLeave[] {
  return localInstances(state).flatMap(instance => {
    const files = instanceFiles(state, instance)
    const identity = identityOf(files)
    if (identity?.boot !== bootId()) return []
    const args = configured.find(one => one.get('instance') === instance && (one.get('state') ?? root) === state)
    const { uid, gid } = attempt(`read ${files.directory}`, () => statSync(files.directory))
    return {
      ...{ instance, service: identity.service, state, user: { uid, gid } },
      address: args?.get('http-addr'),
      tokenFile: args?.get('token-file'),
      variables: args?.get('variables'),
    }
  })
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

/** The arguments of each guard in the files that `configure` wrote; none where they cannot be read. */
function configuredIn(consulDir: string): Arguments[] {
  try {
    const names = readdirSync(consulDir).filter(name => /^watchbill-.*\.json$/.test(name))
    return names.flatMap(name => guardsIn(readFileSync(`${consulDir}/${name}`, 'utf8')))
  } catch {
    return [] // the environment may say the same
  }
}

interface ConsulFile {
  readonly services?: readonly { readonly checks?: readonly { readonly args?: readonly string[] }[] }[]
}

function guardsIn(text: string): Arguments[] {
  try {
    const { services = [] } = JSON.parse(text) as ConsulFile
    return services.flatMap(({ checks = [] }) => checks.map(({ args = [] }) => named(args)))
  } catch {
    return [] // a file of another program
  }
}

/** `--name value` by name. */
function named(args: readonly string[]): Arguments {
  return new Map(
    args.flatMap((word, at) => (word.startsWith('--') ? [[word.slice(2), args[at + 1] ?? ''] as const] : [])),
  )
}
