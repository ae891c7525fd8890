/**
 * Brings the files on disk to what is wanted, and runs the commands. The state directory knows of a command before the first
 * rename: a render that is killed anywhere leaves whole files, and the next one runs the command for them.
 */
import { posix } from 'node:path'
import { reason } from '../base/errors.ts'
import { glob } from '../base/glob.ts'
import { shellWord } from '../base/printable.ts'
import type { Definition, Render } from '../definition/definition.ts'
import { expand } from '../definition/expand.ts'
import { versionPlace } from '../definition/version.ts'
import { whyNot } from '../roll/meant.ts'
import { keepRendered, type Pending, readRendered } from '../state/renders.ts'
import type { Self } from '../state/self.ts'
import { type Change, changeOf, putInPlace, removeFile, syncDirectory, writeCandidate } from './place.ts'
import { checkLimit, commandLimit, runCommand } from './run-command.ts'
import type { Failure, Made, Wanted } from './wanted.ts'

type Here = Pick<Self, 'files' | 'service' | 'instance' | 'node'> & {
  readonly definition: Definition
  /** In force on this instance; '' for none. */
  readonly version: string
}

/** The differences between the disk and what is wanted. */
export interface Differences {
  readonly changes: readonly Change[]
  /** Files that are no longer wanted, each with the entry that cleans it. */
  readonly removals: readonly { readonly file: string; readonly render: Render }[]
  readonly failures: readonly Failure[]
}

/** Reads only. @param renders all of the definition, in its order */
export function differences(renders: readonly Render[], made: Made, known: readonly string[]): Differences {
  const failures: Failure[] = []
  const changes = made.wanted.flatMap(wanted => {
    try {
      return changeOf(wanted) ?? []
    } catch (error) {
      failures.push(failureOf(wanted, error))
      return []
    }
  })
  return { changes, removals: removals(renders, made, known), failures }
}

function failureOf({ render, dest, partition }: Wanted, error: unknown): Failure {
  return { render, dest, partition, why: reason(error) }
}

/** Only files that were rendered once, and none of an entry whose wanted files are not all known. */
function removals(renders: readonly Render[], { wanted, failures }: Made, known: readonly string[]) {
  const kept = new Set([...wanted, ...failures].map(({ dest }) => dest))
  const failed = new Set(failures.map(({ render }) => render))
  return renders.flatMap(render => {
    if (render.clean === undefined || failed.has(render)) return []
    const matches = glob(posix.basename(render.clean))
    const isCleaned = (file: string) =>
      posix.dirname(file) === posix.dirname(render.clean as string) && matches(posix.basename(file)) && !kept.has(file)
    return known.filter(isCleaned).map(file => ({ file, render }))
  })
}

export interface Applied {
  readonly written: readonly string[]
  readonly removed: readonly string[]
  readonly failures: readonly Failure[]
}

/** @throws Temporary when the state directory cannot be written: then no file was changed */
export async function apply(here: Here, found: Differences): Promise<Applied> {
  const { ready, failures } = await candidates(here, found.changes)
  remember(here, ready, found.removals)
  const written: string[] = []
  /** Each with a change in it, to say where it could not be synced. */
  const directories = new Map<string, Failure>()
  for (const { change, candidate } of ready) {
    try {
      putInPlace(change, candidate)
      written.push(change.wanted.dest)
      directories.set(posix.dirname(change.file), failureOf(change.wanted, null))
    } catch (error) {
      failures.push(failureOf(change.wanted, error))
    }
  }
  const removed = found.removals.flatMap(({ file, render }) => {
    try {
      if (!removeFile(file)) return []
      directories.set(posix.dirname(file), { render, dest: file, partition: null, why: '' })
      return [file]
    } catch (error) {
      failures.push({ render, dest: file, partition: null, why: `it cannot be removed: ${reason(error)}` })
      return []
    }
  })
  failures.push(...synced(directories))
  forgetRemoved(
    here,
    found.removals.map(({ file }) => file),
    failures,
  )
  return { written, removed, failures: [...found.failures, ...failures] }
}

/** @returns the failures */
function synced(directories: ReadonlyMap<string, Failure>): Failure[] {
  return [...directories].flatMap(([directory, about]) => {
    try {
      syncDirectory(directory)
      return []
    } catch (error) {
      return [{ ...about, why: `${directory} cannot be synced: ${reason(error)}` }]
    }
  })
}

/** All candidates are written and checked before the first file changes. */
async function candidates(here: Here, changes: readonly Change[]) {
  const ready: { readonly change: Change; readonly candidate: string }[] = []
  const failures: Failure[] = []
  for (const change of changes) {
    try {
      const candidate = writeCandidate(change)
      const why = await refusalOf(here, change, candidate)
      if (why === null) ready.push({ change, candidate })
      else {
        removeFile(candidate)
        failures.push(failureOf(change.wanted, new Error(why)))
      }
    } catch (error) {
      failures.push(failureOf(change.wanted, error))
    }
  }
  return { ready, failures }
}

async function refusalOf(
  here: Here,
  { wanted: { render, version } }: Change,
  candidate: string,
): Promise<string | null> {
  if (render.check === undefined) return null
  const { service, instance, node } = here
  const command = expand(render.check, { service, instance, node, version, file: candidate })
  const why = await runCommand(command, checkLimit, here, version || here.version)
  return why === null ? null : `the check ${shown(command)} refuses it: ${why}`
}

/** Writes down which files are ours, and which commands are to run, before anything is changed. */
function remember(here: Here, ready: readonly { readonly change: Change }[], removals: Differences['removals']): void {
  if (ready.length === 0 && removals.length === 0) return
  const state = readRendered(here.files)
  const files = new Set([...state.files, ...ready.map(({ change }) => change.wanted.dest)])
  const changed = [...ready.map(({ change }) => change.wanted.render), ...removals.map(({ render }) => render)]
  keepRendered(here.files, {
    ...state,
    input: null, // until all is done
    files: [...files],
    pending: withCommands(here, state.pending, changed),
    changedAt: new Date().toISOString(),
  })
}

/** Each command once. One that has failed before is tried anew, in its place. `{version}` stays: it counts when the command runs. */
function withCommands(here: Here, before: readonly Pending[], changed: readonly Render[]): Pending[] {
  const { service, instance, node } = here
  const all = new Map(before.map(one => [JSON.stringify(one.command), one]))
  for (const { command } of changed) {
    if (command === undefined) continue
    const own = expand(command, { service, instance, node })
    const key = JSON.stringify(own)
    if (!all.has(key)) all.set(key, { command: own, why: null })
  }
  return [...all.values()]
}

/** A file that could not be removed stays in the list. */
function forgetRemoved(here: Here, removed: readonly string[], failures: readonly Failure[]): void {
  const left = new Set(failures.map(({ dest }) => dest))
  const gone = new Set(removed.filter(file => !left.has(file)))
  if (gone.size === 0) return
  const state = readRendered(here.files)
  keepRendered(here.files, { ...state, files: state.files.filter(file => !gone.has(file)) })
}

/**
 * Runs what has not worked yet for what is on disk.
 * @param wanted the commands that the definition has now: others are forgotten
 * @returns those that failed
 */
export async function runPending(here: Here, wanted: ReadonlySet<string>): Promise<readonly Pending[]> {
  const { pending } = readRendered(here.files)
  const left: Pending[] = []
  for (const { command } of pending) {
    if (!wanted.has(JSON.stringify(command))) continue
    const why = await runNow(here, command)
    if (why !== null) left.push({ command, why })
  }
  if (pending.length > 0) keepRendered(here.files, { ...readRendered(here.files), pending: left })
  return left
}

async function runNow(here: Here, command: readonly string[]): Promise<string | null> {
  const { definition, version } = here
  const refused = versionPlace(command) === null ? null : whyNot(definition, null, version)
  return refused ?? (await runCommand(expand(command, { version }), commandLimit, here, version))
}

/** The commands of a definition, as JSON. */
export function commandsIn(here: Here, renders: readonly Render[]): ReadonlySet<string> {
  return new Set(withCommands(here, [], renders).map(({ command }) => JSON.stringify(command)))
}

export function pendingProblem({ command, why }: Pending): string {
  return `the command ${shown(command)} failed after files had changed: ${why}; it is run again until it works`
}

function shown(command: readonly string[]): string {
  const whole = command.map(shellWord).join(' ')
  return whole.length > 60 ? `${whole.slice(0, 60)}…` : whole
}
