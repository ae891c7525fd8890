/**
 * Runs the commands `versions.prepare` and `versions.clean` of a definition on this machine. Each goes on by itself, and a
 * later round finds its result: no program waits for one, and a killed round loses nothing.
 */
import { existsSync, rmSync } from 'node:fs'
import { bootClock } from '../base/clock.ts'
import { confined } from '../definition/confine.ts'
import type { Definition, Versions } from '../definition/definition.ts'
import { commonEnvironment } from '../definition/environment.ts'
import { expand } from '../definition/expand.ts'
import { allows } from '../definition/version.ts'
import { forgetHook, startCommand, stateOfHook } from '../hooks/run-hook.ts'
import { isUnderWay } from '../keys/roll.ts'
import { mostPrepared, type Own, ownFrom } from '../keys/versions.ts'
import type { Snapshot } from '../look/snapshot.ts'
import type { RollWork } from '../roll/due.ts'
import { roundOf } from '../roll/next.ts'
import { refusal } from '../state/bounded.ts'
import { attempt, makeDirectory, readFact, writeFact } from '../state/facts.ts'
import type { Run } from '../state/self.ts'

/** So many failures in a row are told. A version in force is tried on, since the instance takes nothing without it. */
const mostTries = 3
const firstPause = 2000
const longestPause = 60_000

type Outcome = 'under way' | 'done' | { readonly failure: string; readonly tries: number }

/** @returns whether what is prepared here, or what could not be, has changed: the member key is to say so */
export async function prepare(run: Run, snapshot: Snapshot, work: RollWork): Promise<boolean> {
  const { versions } = snapshot.definition
  if (versions?.prepare === undefined) return false
  const before = ownFrom(readFact(run.files.versions))
  let own: Own = work.forgets ? { prepared: before.prepared } : before
  for (const version of work.prepare) own = await prepareOne(run, snapshot, versions, own, version)
  for (const version of work.clean) own = await cleanOne(run, snapshot, versions, own, version)
  const text = JSON.stringify(own)
  if (text === JSON.stringify(before)) return false
  writeFact(run.files.versions, text)
  return true
}

async function prepareOne(run: Run, snapshot: Snapshot, versions: Versions, own: Own, version: string): Promise<Own> {
  const of = isUnderWay(snapshot.roll, snapshot.settings) ? roundOf(snapshot.roll) : ''
  const isTold = own.failed?.version === version && own.failed.of === of
  const isNext = snapshot.settings.version !== version && of !== ''
  if (isTold && isNext) return own // until a person has it tried again
  const failed = (why: string): Own => {
    if (!isTold) run.log(`cannot prepare version ${version}: ${why}`)
    return { ...own, failed: { version, why, of } }
  }
  if (!allows(versions, version)) return failed('it does not fit versions.pattern of the definition there')
  const outcome = await command(run, snapshot.definition, 'prepare', versions.prepare as readonly string[], version, of)
  if (outcome === 'under way') return own
  if (outcome !== 'done') return outcome.tries >= mostTries ? failed(outcome.failure) : own
  run.log(`version ${version} is prepared`)
  const prepared = [...own.prepared.filter(one => one !== version), version].slice(-mostPrepared)
  return { prepared, ...(own.failed && own.failed.version !== version && { failed: own.failed }) }
}

/** A version that cannot be cleaned is forgotten after some tries, and the log says so. */
async function cleanOne(
  run: Run,
  { definition }: Snapshot,
  versions: Versions,
  own: Own,
  version: string,
): Promise<Own> {
  const outcome =
    versions.clean === undefined ? 'done' : await command(run, definition, 'clean', versions.clean, version, '')
  if (outcome === 'under way' || (outcome !== 'done' && outcome.tries < mostTries)) return own
  run.log(outcome === 'done' ? `version ${version} is cleaned` : `cannot clean version ${version}: ${outcome.failure}`)
  forget(run, 'clean', version)
  return { ...own, prepared: own.prepared.filter(one => one !== version) }
}

/** Starts the command, or reads its result. @param of another one than last time begins anew */
async function command(
  run: Run,
  definition: Definition,
  what: 'prepare' | 'clean',
  args: readonly string[],
  version: string,
  of: string,
): Promise<Outcome> {
  const directory = directoryOf(run, what, version)
  const state = stateOfHook({ directory })
  if (state === 'running') return 'under way'
  const tried = triesIn(directory, of)
  if (state === null) {
    if (tried.notBefore > bootClock() && tried.notBefore <= bootClock() + longestPause) return 'under way'
    makeDirectory(directory)
    const { service, instance, node } = run
    const values = { service, instance, node, version }
    const limit = definition.versions?.timeoutMs ?? 0
    const cwd = definition.run.cwd ?? '/'
    const environment = commonEnvironment(definition, values)
    const own = confined(definition.run, expand(args, values))
    const refused = await refusal(run.files.directory, definition)
    const problem = refused ?? (await startCommand({ directory, environment, command: own, limit, cwd }))
    if (problem === null) return 'under way'
    return again(directory, of, tried.tries + 1, problem)
  }
  if (state.failure === null) {
    forget(run, what, version)
    return 'done'
  }
  forgetHook({ directory })
  return again(directory, of, tried.tries + 1, state.failure)
}

function directoryOf({ files }: Run, what: string, version: string): string {
  return `${files.rollCommands}/${what}.${version}`
}

/** The fact `tries`: how many failed, for which round of which roll-out, and when the next may begin, boot-clock ms. */
function triesIn(directory: string, of: string): { readonly tries: number; readonly notBefore: number } {
  const [tries, notBefore, whose = ''] = readFact(`${directory}/tries`)?.split(' ') ?? []
  return whose === of && tries !== undefined
    ? { tries: Number(tries), notBefore: Number(notBefore) }
    : { tries: 0, notBefore: 0 }
}

function again(directory: string, of: string, tries: number, failure: string): Outcome {
  const pause = Math.min(longestPause, firstPause * 2 ** (tries - 1))
  writeFact(`${directory}/tries`, `${tries} ${Math.round(bootClock() + pause)} ${of}`)
  return { failure, tries }
}

function forget(run: Run, what: string, version: string): void {
  const directory = directoryOf(run, what, version)
  if (existsSync(directory)) attempt(`remove ${directory}`, () => rmSync(directory, { recursive: true, force: true }))
}
