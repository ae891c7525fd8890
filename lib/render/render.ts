/** One render of an instance: looks, makes the texts, brings the disk to them, runs the commands, tells what is wrong. */
import { bootClock } from '../base/clock.ts'
import { reason } from '../base/errors.ts'
import { keysOf } from '../base/names.ts'
import { listed } from '../base/text.ts'
import type { Definition, Render } from '../definition/definition.ts'
import { digestOf } from '../definition/digest.ts'
import { versionPlace } from '../definition/version.ts'
import { tellProblems } from '../keys/renders.ts'
import { startDetached } from '../process/beside.ts'
import { enterState } from '../state/boot.ts'
import { definitionInForce, putOfferedInForce } from '../state/definition.ts'
import { makeDirectory, readFact, writeFactIfWanted } from '../state/facts.ts'
import { asOnlyHandler } from '../state/handler-lock.ts'
import { leftToOther } from '../state/handler-mark.ts'
import { hasLeft } from '../state/left.ts'
import {
  keepRendered,
  keepSeen,
  mustRenderFirst,
  pauseAfter,
  readRendered,
  readSeen,
  startOf,
  startWords,
  type TemplateFiles,
  templatesStamp,
} from '../state/renders.ts'
import type { Run } from '../state/self.ts'
import { type Applied, apply, commandsIn, differences, pendingProblem, runPending } from './apply.ts'
import { type Input, inputOf } from './input.ts'
import { atVersion, type Entry, entriesOf, versionHere } from './versions.ts'
import { type Viewed, viewOf } from './view.ts'
import { type Failure, type Made, make, problemsOf, readTemplate, type Text } from './wanted.ts'

/** What is made of a view and the templates, before anything is written. */
interface Draft {
  readonly renders: readonly Render[]
  readonly viewed: Viewed
  /** A digest of everything that the files are made from. */
  readonly input: string
  readonly make: () => Promise<Made>
  /** By the path in the definition: the files that its `{version}` stands for. */
  readonly templates: TemplateFiles
}

export const nothingToRender = 'nothing to render: the definition names no files'
export const noSet = 'nothing is rendered: nobody has written a partition set'

/**
 * @param force also compare with the disk when nothing has changed
 * @returns what was done, as a sentence
 * @throws Temporary when Consul or the state directory fails: what is on disk stays
 */
export async function render(run: Run, force = false): Promise<string> {
  const observes = definitionInForce(run.files)?.definition.role === 'observer'
  if (!observes && hasLeft(run.files)) return 'nothing is rendered: it has left'
  enterState(run.files, run.instance, run.service)
  makeDirectory(run.files.renderLock)
  let done = ''
  const alone = await asOnlyHandler(run.files.renderLock, async () => {
    done = await once(run, force)
  })
  return alone ? done : leftToOther
}

async function once(run: Run, force: boolean): Promise<string> {
  begin(run)
  const draft = await draftOf(run)
  if (draft === null) return nothingToRender
  const { renders, viewed, input } = draft
  if (!viewed.defined) {
    see(run, draft, null)
    return noSet
  }
  const before = readRendered(run.files)
  const isDone = before.problems.length + before.pending.length === 0 && before.told?.length === 0
  if (before.input === input && isDone && !force) {
    letStart(run, viewed, renders, [])
    see(run, draft, null)
    return 'nothing to render: nothing has changed'
  }
  const made = await draft.make()
  const found = differences(renders, made, before.files)
  const here = { ...run, definition: viewed.view.definition, version: versionHere(viewed.view) }
  const applied = await apply(here, { ...found, failures: [...made.failures, ...found.failures] })
  const pending = await runPending(here, commandsIn(here, renders))
  const problems = [...problemsOf(applied.failures), ...pending.map(pendingProblem)]
  const failures = problems.length === 0 ? 0 : before.input === input || before.input === null ? before.failures + 1 : 1
  for (const problem of problems) if (!before.problems.includes(problem)) run.log(problem)
  keepRendered(run.files, { ...readRendered(run.files), input, problems, failures })
  const told = await tell(run, problems)
  letStart(run, viewed, renders, pending.length > 0 ? 'all' : applied.failures)
  see(run, draft, problems.length === 0 && told ? null : pauseAfter(failures))
  const sentence = sentenceOf(applied, problems)
  if (applied.written.length + applied.removed.length > 0) run.log(sentence)
  return sentence
}

/** Null when the definition names no files. @param keep false when nothing may be written */
async function draftOf(run: Run, keep = true): Promise<Draft | null> {
  let inForce = await putOfferedInForce(run.files, run.definitionFile, run.serviceId, false)
  // That of a member is put in force by its reconcile, which then acts by it.
  if (keep && inForce.definition.role === 'observer')
    inForce = await putOfferedInForce(run.files, run.definitionFile, run.serviceId)
  if (inForce.definition.render === undefined) return null
  const viewed = await viewOf(run, inForce)
  const { definition } = viewed.view
  const renders = definition.render ?? []
  const inputs = inputsOf(viewed, definition)
  const inputFor = ({ order }: Render) => (order === 'afterStop' ? inputs.kept : null) ?? inputs.usual
  const idsFor = (one: Render) => inputFor(one).partitions.map(({ id }) => id)
  const entries = renders.flatMap(one => entriesOf(viewed.view, one, idsFor(one)))
  const texts = new Map(entries.map(entry => [fileOf(entry), readTemplate(fileOf(entry))]))
  const versions = entries.map(({ version, partitions }) => (version === '' ? null : [version, partitions]))
  return {
    renders,
    viewed,
    input: digestOf([renders, [...texts], inputs.usual, inputs.kept, versions]),
    make: async () => {
      const made: Made[] = []
      // One after the other: each is a process, and this must not take the machine from who works here.
      for (const entry of entries)
        made.push(await make(entry, texts.get(fileOf(entry)) as Text, inputFor(entry.render)))
      return { wanted: made.flatMap(({ wanted }) => wanted), failures: made.flatMap(({ failures }) => failures) }
    },
    templates: templateFilesOf(entries),
  }
}

/** The template file of an entry. */
function fileOf({ render: { template }, version }: Entry): string {
  return atVersion(template, version)
}

function templateFilesOf(entries: readonly Entry[]): TemplateFiles {
  const own = entries.filter(({ render }) => versionPlace(render.template) !== null)
  const of = Map.groupBy(own, ({ render }) => render.template)
  return Object.fromEntries([...of].map(([template, some]) => [template, [...new Set(some.map(fileOf))]]))
}

function inputsOf({ view }: Viewed, { render = [] }: Definition): { usual: Input; kept: Input | null } {
  const keeps = render.some(({ order }) => order === 'afterStop')
  return { usual: inputOf(view, false), kept: keeps ? inputOf(view, true) : null }
}

/** While a render works, or was killed, the guard starts no other one for so long, ms: unless something has changed. */
const atWork = 15_000

function begin({ files }: Run): void {
  const seen = readSeen(files)
  if (seen !== null) keepSeen(files, { ...seen, mark: '', retryAt: bootClock() + atWork })
}

/** @param pause until the next try, ms; null for none */
function see(run: Run, draft: Draft, pause: number | null): void {
  const { renders, templates } = draft
  const { mark, locks, reports } = draft.viewed
  const retryAt = pause === null ? null : bootClock() + pause
  keepSeen(run.files, {
    mark,
    locks,
    reports,
    templates: templatesStamp(renders, templates),
    files: templates,
    retryAt,
  })
}

/** Writes what is wrong into Consul, when that has changed. @returns false when it could not be written */
async function tell(run: Run, problems: readonly string[]): Promise<boolean> {
  const { told } = readRendered(run.files)
  if (told !== null && JSON.stringify(told) === JSON.stringify(problems)) return true
  try {
    await tellProblems(run.consul, keysOf(run.service), run.instance, problems)
    keepRendered(run.files, { ...readRendered(run.files), told: problems })
    return true
  } catch (error) {
    run.log(`cannot tell what is wrong with the files: ${reason(error)}`)
    return false
  }
}

/**
 * Lets partitions start whose files are there: those that the view showed with their present acquisition and version.
 * @param failures of this render; `all` when a command failed
 */
function letStart(run: Run, { view }: Viewed, renders: readonly Render[], failures: readonly Failure[] | 'all'): void {
  if (!mustRenderFirst({ render: renders }) || failures === 'all') return
  const first = failures.filter(({ render }) => render.order === 'beforeStart')
  if (first.some(({ partition }) => partition === null)) return
  const failed = new Set(first.map(({ partition }) => partition))
  let isNew = false
  for (const [id, { held }] of view.cluster.locks) {
    const { rendered } = run.files.partition(id)
    const own = startOf(run.files, id)
    const shown = held === null ? null : startWords(held.acquisition, held.version)
    if (own === null || own !== shown || failed.has(id) || readFact(rendered) === own) continue
    isNew = writeFactIfWanted(rendered, own) || isNew
  }
  if (isNew) startDetached('reconcile', run)
}

function sentenceOf({ written, removed }: Applied, problems: readonly string[]): string {
  const done = [
    written.length > 0 ? `rendered ${listed(written)}` : null,
    removed.length > 0 ? `removed ${listed(removed)}` : null,
  ].filter(part => part !== null)
  return [...(done.length > 0 ? done : ['nothing to render: the files are as they should be']), ...problems].join('; ')
}

/** What a render would change, for `--dry-run`. Writes nothing. Null when the definition names no files. */
export async function dryRender(run: Run) {
  const draft = await draftOf(run, false)
  if (draft === null) return null
  if (!draft.viewed.defined) return { changes: [], removals: [], problems: [], remark: noSet }
  const made = await draft.make()
  const { changes, removals, failures } = differences(draft.renders, made, readRendered(run.files).files)
  return { changes, removals, problems: problemsOf([...made.failures, ...failures]), remark: null }
}
