/**
 * Runs check commands. One launcher starts them; their results are read from files, so that no command waits for
 * another.
 */
import { bootClock } from '../base/clock.ts'
import { confined } from '../definition/confine.ts'
import type { Definition } from '../definition/definition.ts'
import { expand } from '../definition/expand.ts'
import { launchAll } from '../machine/launch.ts'
import { environmentOf, valuesOf } from '../process/shepherd/start.ts'
import { refusal } from '../state/bounded.ts'
import { readFact, readLine, removeFact } from '../state/facts.ts'
import { runnerOf, versionOf } from '../state/partition-paths.ts'
import type { Run } from '../state/self.ts'
import { ended, takeResult } from './state.ts'
import type { Watched } from './watched.ts'

const script = `${import.meta.dirname}/check.sh`
const atOnce = 32
/** How long after its timeout a command counts as hung, ms: timeout(1) sends SIGKILL after one second. */
const slack = 3000

/**
 * Collects the results of commands that have ended, and of those that should have ended.
 * @param passed called for each check that passed @returns how many commands still run
 */
export function collect(all: readonly Watched[], now: number, passed: (watched: Watched) => void = () => {}): number {
  let running = 0
  for (const watched of all) {
    const { started } = watched.state
    if (started === null) continue
    const { timeoutMs } = watched.check
    const late = now - started > timeoutMs + slack || started > now
    const result = takeResult(watched.files) ?? (late ? { code: 124, output: '' } : null)
    if (result?.code === 0) passed(watched)
    if (result === null) running++
    else watched.state = ended(watched.state, watched.check, inWords(result, timeoutMs), now)
  }
  return running
}

function inWords(result: { code: number; output: string }, timeoutMs: number): { code: number; output: string } {
  if (result.code !== 124 && result.code !== 137) return result
  return { code: 2, output: `no answer within ${timeoutMs} ms; ${result.output}`.trim() }
}

/**
 * Starts the commands that are due, and those that are due soon: one launcher costs as much as many commands.
 * @param ahead how much too early a command may start, ms
 */
export async function startDue(
  run: Run,
  definition: Definition,
  all: readonly Watched[],
  ahead: (watched: Watched) => number,
): Promise<void> {
  const now = bootClock()
  const idle = all.filter(({ check, state }) => check.command !== null && state.started === null)
  if (!idle.some(({ state }) => state.due <= now)) return
  const due = idle.filter(watched => watched.state.due <= now + ahead(watched))
  // A check that may not run says nothing new: it must not make anybody move a partition.
  if ((await refusal(run.files.directory, definition)) !== null) return putOff(due, now)
  for (let from = 0; from < due.length; from += atOnce) await launch(run, definition, due.slice(from, from + atOnce))
}

function putOff(due: readonly Watched[], now: number): void {
  for (const watched of due) watched.state = { ...watched.state, due: now + watched.check.intervalMs }
}

async function launch(run: Run, definition: Definition, due: readonly Watched[]): Promise<void> {
  const launches = due.map(watched => launchOf(run, definition, watched))
  const problem = await launchAll(script, definition.run.cwd ?? '/', launches, { how: 'fork' })
  if (problem === null) return
  for (const watched of due)
    watched.state = ended(watched.state, watched.check, { code: 2, output: `cannot start: ${problem}` }, bootClock())
}

function launchOf(run: Run, definition: Definition, watched: Watched) {
  const { partition, acquisition, check, files, state } = watched
  const now = bootClock()
  removeFact(files.exit)
  // Keeps the rhythm of the first run, but does not repeat missed runs.
  const next = state.due + check.intervalMs
  watched.state = { ...state, started: now, due: next > now ? next : now + check.intervalMs }
  const own = run.files.partition(partition)
  const start = {
    ...{ files: own, service: run.service, instance: run.instance, node: run.node, partition, acquisition },
    ...{ token: readFact(own.token) ?? '', version: versionOf(definition, own), lease: 0, grace: 0 },
  }
  const command = confined(definition.run, expand(check.command ?? [], valuesOf(start)))
  return {
    directory: files.directory,
    environment: {
      ...environmentOf(definition, start),
      WATCHBILL_CHECK: check.id,
      WATCHBILL_PID: readLine(runnerOf(own).process)?.split(' ')[0] ?? '',
    },
    args: [files.directory, own.directory, `${check.timeoutMs / 1000}`, ...command],
  }
}
