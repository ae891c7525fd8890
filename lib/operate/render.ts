/** The rendered files of this machine for a person: their state, what a render would change, and a render now. */
import { statSync } from 'node:fs'
import { execa } from 'execa'
import { Permanent } from '../base/errors.ts'
import { partsOf } from '../base/names.ts'
import { shellWord } from '../base/printable.ts'
import type { Consul } from '../consul/http.ts'
import type { Change } from '../render/place.ts'
import { dryRender, render } from '../render/render.ts'
import { definitionInForce } from '../state/definition.ts'
import { identityOf, localInstances } from '../state/identity.ts'
import { appendLog } from '../state/log.ts'
import { instanceFiles } from '../state/paths.ts'
import { type Rendered, readRendered } from '../state/renders.ts'
import type { Run } from '../state/self.ts'

/**
 * The instances of a service on this machine that render files.
 * @throws Permanent when there is none; Temporary when the state directory cannot be read
 */
export function renderersHere(consul: Consul, root: string, service: string): Run[] {
  const found = localInstances(root).flatMap(instance => {
    const files = instanceFiles(root, instance)
    const inForce = definitionInForce(files)
    if (identityOf(files)?.service !== service || inForce?.definition.render === undefined) return []
    const log = (line: string) => appendLog(files.log, `${instance} render: ${line}`)
    return [{ ...partsOf(instance), instance, service, definitionFile: inForce.file, files, consul, log }]
  })
  if (found.length > 0) return found
  const todo = `its definition needs "render"; then watchbill configure and consul reload`
  throw new Permanent(
    `cannot find files of ${service}: no instance of it on this machine renders any; ${todo}, and see ${root}`,
  )
}

/** The state of the files, as of the last render. */
export function stateLines({ instance, files }: Run): string[] {
  const { files: written, changedAt, problems, pending } = readRendered(files)
  const since = changedAt === null ? 'no file has changed yet' : `last changed ${changedAt}`
  const left = pending.filter(({ why }) => why === null).length
  return [
    `${instance}: ${written.length} files written; ${since}${left > 0 ? `; ${left} commands are still to run` : ''}`,
    ...problems.map(problem => `problem: ${problem}`),
  ]
}

export function stateOf({ instance, files }: Run): Rendered & { readonly instance: string } {
  return { instance, ...readRendered(files) }
}

/** Renders now, also when nothing has changed: what was changed by hand is put right. */
export async function renderNow(run: Run): Promise<string> {
  mustBeOwner(run)
  return `${run.instance}: ${await render(run, true)}`
}

/** @throws Permanent for another user: the agent's programs could not read what this one writes */
function mustBeOwner({ files, service }: Run): void {
  const { uid } = statSync(files.directory)
  if (process.getuid?.() === uid) return
  throw new Permanent(
    `cannot render the files of ${service} as this user: ${files.directory} belongs to user ${uid}; run it as that one`,
  )
}

/** The differences that a render would make, as `diff -u` prints them. */
export async function dryLines(run: Run): Promise<string[]> {
  const dry = await dryRender(run)
  if (dry === null) return [`${run.instance}: nothing to render`]
  const lines: string[] = []
  for (const change of dry.changes) lines.push(...(await diffOf(change)))
  const removed = dry.removals.map(({ file }) => `would remove ${file}`)
  const changed = dry.changes.length + removed.length
  const last = dry.remark ?? (changed > 0 ? `would change ${changed} files` : 'the files are as they should be')
  return [...lines, ...removed, ...dry.problems, `${run.instance}: ${last}`]
}

/** With diffutils, which Debian always has. */
async function diffOf({ file, before, wanted: { text } }: Change): Promise<string[]> {
  const labels = [before === null ? '/dev/null' : file, `${file} (as rendered)`].flatMap(label => ['--label', label])
  const { stdout, exitCode } = await execa('diff', ['-u', ...labels, before === null ? '/dev/null' : file, '-'], {
    input: text,
    reject: false,
    maxBuffer: 64 * 1024 * 1024,
  })
  if (exitCode === 0) return [`would set mode or owner of ${shellWord(file)}`]
  return exitCode === 1 ? stdout.split('\n') : [`would write ${file} (there is no program diff to show how)`]
}
