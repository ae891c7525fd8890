/** What this instance knows about its rendered files, in its state directory. */
import { statSync } from 'node:fs'
import { bootClock, bootId } from '../base/clock.ts'
import type { Definition } from '../definition/definition.ts'
import { readFact, removeFact, writeFact } from './facts.ts'
import type { Local } from './local.ts'
import type { InstanceFiles } from './paths.ts'

/** A command that has not worked yet for what is on disk. */
export interface Pending {
  readonly command: readonly string[]
  /** Why it failed last; null before the first try. */
  readonly why: string | null
}

export interface Rendered {
  /** Digest of everything that the files were made from; null when that was not done to the end. */
  readonly input: string | null
  /** The files that were written once, also those that are no longer wanted. */
  readonly files: readonly string[]
  /** In the order in which they are to run. */
  readonly pending: readonly Pending[]
  /** What is wrong, one sentence each. */
  readonly problems: readonly string[]
  /** What Consul was told of that; null when that is not known. */
  readonly told: readonly string[] | null
  /** How many renders in a row left something to be done. */
  readonly failures: number
  /** When a file last changed, ISO; null when none did. */
  readonly changedAt: string | null
}

const nothing: Rendered = {
  input: null,
  files: [],
  pending: [],
  problems: [],
  told: null,
  failures: 0,
  changedAt: null,
}

export function readRendered({ rendered }: InstanceFiles): Rendered {
  try {
    return { ...nothing, ...(JSON.parse(readFact(rendered) ?? '{}') as Partial<Rendered>) }
  } catch {
    return nothing // a damaged disk: everything is rendered again
  }
}

/** Written only when it differs from the file. @throws Temporary when it cannot be: then nothing may be done that it has to know */
export function keepRendered({ rendered }: InstanceFiles, state: Rendered): void {
  const text = JSON.stringify(state)
  if (readFact(rendered) !== text) writeFact(rendered, text)
}

/** What a render saw, and when the next one is due although nothing has changed. */
export interface Seen {
  /** Of what a look finds: see act/ask-for-render.ts. */
  readonly mark: string
  /** Consul's indexes of the locks and the reports. */
  readonly locks: string
  readonly reports: string
  /** The versions of the template files. */
  readonly templates: string
  readonly files?: TemplateFiles
  /** Boot clock, ms; null for never. */
  readonly retryAt: number | null
}

/** Null before the first render of this boot: files below /run are gone then. */
export function readSeen({ renderDue }: InstanceFiles): Seen | null {
  try {
    const { boot, ...seen } = JSON.parse(readFact(renderDue) ?? '{}') as Seen & { readonly boot?: string }
    return boot === bootId() ? seen : null
  } catch {
    return null
  }
}

export function keepSeen({ renderDue }: InstanceFiles, seen: Seen): void {
  writeFact(renderDue, JSON.stringify({ boot: bootId(), ...seen }))
}

/** Makes the next render due at once. */
export function forgetSeen({ renderDue }: InstanceFiles): void {
  removeFact(renderDue)
}

/** The longest pause before a failed render is tried again, ms. */
const longestPause = 300_000

/** Later each time, at most 5 min. */
export function pauseAfter(failures: number): number {
  return Math.min(longestPause, 1000 * 2 ** Math.min(failures, 20))
}

/** Whether the time has come. A time further ahead than any pause was written by another clock. */
export function isRetryDue({ retryAt }: Seen, now: number): boolean {
  return retryAt !== null && (now >= retryAt || retryAt - now > longestPause)
}

/** A path in the definition with `{version}` in it -> the files that the last render read for it. */
export type TemplateFiles = Readonly<Record<string, readonly string[]>>

/** Tells whether a template file was changed, without reading it. */
export function templatesStamp(render: NonNullable<Definition['render']>, read: TemplateFiles = {}): string {
  const files = new Set(render.flatMap(({ template }) => read[template] ?? [template]))
  return [...files].map(stampOf).join(' ')
}

function stampOf(file: string): string {
  try {
    const { ino, size, mtimeMs, ctimeMs } = statSync(file)
    return [ino, size, mtimeMs, ctimeMs].join(':')
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code)
  }
}

/** How long a start waits for its file, ms: whatever a template or a check does, no partition stays without a process. */
const longestWait = 5000

/** Whether files of the definition are rendered before partitions start. */
export function mustRenderFirst({ render }: Pick<Definition, 'render'>): boolean {
  return render?.some(({ order }) => order === 'beforeStart') ?? false
}

/** What a file must show before the process starts: the acquisition, and the version that is to run. */
export function startWords(acquisition: string, version: string): string {
  return version === '' ? acquisition : `${acquisition} ${version}`
}

/** The same for what is to be started here next; null when nothing may be. */
export function startOf(files: InstanceFiles, id: string): string | null {
  const { acquisition, version } = files.partition(id)
  const own = readFact(acquisition)
  return own === null ? null : startWords(own, readFact(version)?.split(' ')[0] ?? '')
}

/** Whether the start of a partition still waits for its file: until that is rendered, or the wait is over. */
export function awaitsRender(files: InstanceFiles, id: string, now = bootClock()): boolean {
  const own = startOf(files, id)
  if (own === null || readFact(files.partition(id).rendered) === own) return false
  const since = awaitedSince(files, id, own, now)
  return since === null || now - since < longestWait
}

/** Begins the wait, unless it has begun. */
export function beginToAwait(files: InstanceFiles, id: string, now = bootClock()): void {
  const { awaits } = files.partition(id)
  const own = startOf(files, id)
  if (own !== null && awaitedSince(files, id, own, now) === null) writeFact(awaits, `${now} ${own}`)
}

/** Null before it has begun, or when another clock counted it. */
function awaitedSince(files: InstanceFiles, id: string, own: string, now: number): number | null {
  const [since = '', whose] = readFact(files.partition(id).awaits)?.split(/ (.*)/s) ?? []
  return whose === own && Number(since) <= now ? Number(since) : null
}

/** The same facts; a partition that has no process, and must not get one yet, says so. */
export function withRenders(
  files: InstanceFiles,
  local: ReadonlyMap<string, Local>,
  now: number,
): ReadonlyMap<string, Local> {
  return new Map(
    [...local].map(([id, one]) => {
      const waits = one.acquisition !== null && one.shepherd === null && awaitsRender(files, id, now)
      return [id, waits ? { ...one, unrendered: true as const } : one]
    }),
  )
}
