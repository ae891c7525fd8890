/**
 * Loads lib into the model: its imports of the machine are replaced by stand-ins. Nothing else is changed, unless a
 * mutant is requested. lib itself and each mutant have their own graph of modules.
 */
import { registerHooks } from 'node:module'

/** One rule of lib, broken on purpose. */
export interface Mutation {
  readonly name: string
  /** Path below lib/. */
  readonly file: string
  /** Text in the file, which must occur exactly once (otherwise the mutant is out of date), and its replacement. */
  readonly edits: readonly (readonly [from: string, to: string])[]
}

const lib = new URL('../../lib/', import.meta.url).href
const standIn = (name: string) => new URL(`./stand-in/${name}.ts`, import.meta.url).href

const replaced: Record<string, string> = {
  'node:fs': standIn('fs'),
  'node:fs/promises': standIn('fs'),
  'node:child_process': standIn('child-process'),
  'node:timers/promises': standIn('timers'),
  'node:http': standIn('http'),
}

const mutations = new Map<string, Mutation>()
const applied = new Set<string>()

/** The query of a module that belongs to the model; null for any other module. */
function graphOf(url: string | undefined): string | null {
  return url?.startsWith(lib) ? (/\?graph=([\w-]+)$/.exec(url)?.[1] ?? null) : null
}

registerHooks({
  resolve(specifier, context, next) {
    const graph = graphOf(context.parentURL)
    if (graph === null) return next(specifier, context)
    const stand = replaced[specifier]
    if (stand !== undefined) return { url: stand, shortCircuit: true }
    const found = next(specifier, context)
    return found.url.startsWith(lib) ? { ...found, url: `${found.url}?graph=${graph}` } : found
  },
  load(url, context, next) {
    const loaded = next(url, context)
    const graph = graphOf(url)
    if (graph === null) return loaded
    const file = url.slice(lib.length).replace(/\?.*/, '')
    return { ...loaded, source: adapted(mutated(String(loaded.source), file, graph)) }
  },
})

function mutated(source: string, file: string, graph: string): string {
  const mutation = mutations.get(graph)
  if (mutation?.file !== file) return source
  applied.add(graph)
  return broken(source, mutation)
}

/** The source of a file with a mutation's edits. @throws Error when a text to replace does not occur exactly once */
export function broken(source: string, { name, file, edits }: Mutation): string {
  return edits.reduce((text, [from, to]) => {
    const parts = text.split(from)
    if (parts.length !== 2) {
      throw new Error(`the mutant "${name}" is out of date: lib/${file} holds ${parts.length - 1} of ${from}`)
    }
    return parts.join(to)
  }, source)
}

/** Globals of the machine become the model's. Dynamic imports become static ones, because loading takes real time. */
function adapted(source: string): string {
  let head = `import { process, setTimeout, clearTimeout, setInterval, clearInterval, Date, performance } from '${standIn('globals')}';`
  let late = 0
  const body = source.replace(/\bimport\('([^']+)'\)/g, (_, specifier: string) => {
    const name = `late${late++}`
    head += `import * as ${name} from '${specifier}';`
    return `Promise.resolve(${name})`
  })
  return head + body
}

/** The parts of lib that the model calls. */
export interface Lib {
  readonly guard: typeof import('../../lib/guard/guard.ts').guard
  readonly reconcile: typeof import('../../lib/reconcile.ts').reconcile
  readonly leave: typeof import('../../lib/operate/leave.ts').leave
  readonly powerByTurns: typeof import('../../lib/power/power.ts').powerByTurns
  readonly Consul: typeof import('../../lib/consul/http.ts').Consul
  readonly instanceFiles: typeof import('../../lib/state/paths.ts').instanceFiles
}

/** @throws Error when a text that a mutation replaces does not occur exactly once */
export async function loadLib(mutation?: Mutation): Promise<Lib> {
  const graph = mutation ? mutation.name.replace(/\W+/g, '-') : 'as-it-is'
  if (mutation) mutations.set(graph, mutation)
  const load = (file: string) => import(`${lib}${file}?graph=${graph}`)
  const [{ guard }, { reconcile }, { leave }, { powerByTurns }, { Consul }, { instanceFiles }] = await Promise.all([
    load('guard/guard.ts') as Promise<typeof import('../../lib/guard/guard.ts')>,
    load('reconcile.ts') as Promise<typeof import('../../lib/reconcile.ts')>,
    load('operate/leave.ts') as Promise<typeof import('../../lib/operate/leave.ts')>,
    load('power/power.ts') as Promise<typeof import('../../lib/power/power.ts')>,
    load('consul/http.ts') as Promise<typeof import('../../lib/consul/http.ts')>,
    load('state/paths.ts') as Promise<typeof import('../../lib/state/paths.ts')>,
  ])
  if (mutation && !applied.has(graph))
    throw new Error(`the mutant "${mutation.name}": lib/${mutation.file} is not loaded`)
  return { guard, reconcile, leave, powerByTurns, Consul, instanceFiles }
}
