/**
 * One round for the partitions that run here: registers them, runs the checks that are due, tells Consul and the hooks.
 * Nothing in this file can stop a process or delay the lease.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { bootClock } from '../base/clock.ts'
import { reason } from '../base/errors.ts'
import { agentChecks, isRegistered, report, timeToLive } from '../checks/catalog.ts'
import { collect, startDue } from '../checks/commands.ts'
import { keepRegistered } from '../checks/registered.ts'
import { observed, toldOf, transitionOf } from '../checks/state.ts'
import { keepUnwell } from '../checks/unwell.ts'
import { type Watched, watchedIn } from '../checks/watched.ts'
import type { Consul } from '../consul/http.ts'
import type { Definition } from '../definition/definition.ts'
import { eventOf } from '../hooks/event.ts'
import { inOrder } from '../hooks/in-order.ts'
import { tellLifecycle } from '../hooks/lifecycle.ts'
import { enqueue, isAnythingWaiting } from '../hooks/queue.ts'
import { checkId, partitionService, partitionServiceId } from '../keys/service-ids.ts'
import { startDetached } from '../process/beside.ts'
import { noteEvents } from '../state/events.ts'
import { readFact, removeFact, writeFact, writeFactIfWanted } from '../state/facts.ts'
import { isMarked } from '../state/handler-mark.ts'
import { instanceLease } from '../state/lease.ts'
import { type Local, localFacts } from '../state/local.ts'
import { isReadyByCheck, readyCheck, withReadiness } from '../state/ready.ts'
import type { Run } from '../state/self.ts'

/** How often a round asks whether a check command has ended, ms. */
const poll = 50
/** The longest time between two rounds, ms: a round also sees changes that no watch reported. */
const roundEvery = 10_000

/**
 * @param window how long the round may take, ms: until the guard's next tick
 * @param onEvent called as soon as there is an event for a hook
 */
export async function tend(run: Run, definition: Definition, window: number, onEvent: () => void): Promise<void> {
  const begun = bootClock()
  const local = withReadiness(run.files, localFacts(run.files, instanceLease(run.files, begun), begun), definition)
  const all = watchedIn(run.files, definition, local, begun)
  tellLifecycle(run, definition, local)
  if (isAnythingWaiting(run.files)) onEvent()
  const start = () => startDue(run, definition, all, ({ check }) => Math.min(check.intervalMs, window) / 2)
  const measure = await measuring(run, definition, all, window)
  measure()
  await start() // before the requests to the agent: a frozen agent would delay the checks
  const consul = (await isUp(run, () => keepRegistered(run, definition, local, all))) ? run.consul : null
  if (consul) await isUp(run, () => readOwnReports(run, definition, all))
  for (;;) {
    measure()
    await start()
    const running = collect(all, bootClock(), watched => notePassed(run, definition, watched))
    keepUnwell(run.files, all)
    if (tellHooks(run, definition, all, local) > 0) onEvent()
    if (consul) await isUp(run, () => tellConsul(consul, definition, all))
    const now = bootClock()
    const next = nextDue(all)
    const soon = running > 0 || next < begun + window
    if (!soon || now >= begun + window || isMarked(run.files.checksLock)) break
    await delay(running > 0 ? poll : Math.max(poll, next - now))
  }
  // Without anything in the catalog no round is due by time: the guard starts one when there is something to tell.
  if (isRegistered(definition)) writeFact(run.files.checksDue, String(Math.min(nextDue(all), bootClock() + roundEvery)))
  else removeFact(run.files.checksDue)
}

/** The code for checks of figures is loaded only where there are any. */
async function measuring(run: Run, definition: Definition, all: readonly Watched[], window: number) {
  if (definition.checks.every(({ figure }) => figure === undefined)) return () => {}
  const { measureDue } = await import('../checks/figures.ts')
  const ahead = ({ check }: Watched) => Math.min(check.intervalMs, window) / 2
  return () => measureDue(run.files, all, ahead, watched => notePassed(run, definition, watched))
}

/** Runs `work`, a request to the agent. If the agent is away or frozen, our own checks and hooks go on. */
async function isUp(run: Run, work: () => Promise<void>): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    run.log(`checks: ${reason(error)}`)
    return false
  }
}

/** Reads the TTL checks: what processes reported, and whether a TTL ran out. */
async function readOwnReports(run: Run, definition: Definition, all: readonly Watched[]): Promise<void> {
  const own = all.filter(({ check }) => check.ttlMs !== null)
  if (own.length === 0) return
  const statuses = await agentChecks(run.consul, definition)
  const now = bootClock()
  for (const watched of own) {
    const seen = statuses.get(checkId(definition.id, watched.partition, watched.check.id))
    if (!seen || (isUnheard(run, definition, watched) && seen.status === 'critical' && seen.output === '')) continue
    if (seen.status === 'passing') notePassed(run, definition, watched)
    watched.state = observed(watched.state, seen.status, seen.output, now)
  }
}

/**
 * Whether this is the readiness check and has not passed yet. It is registered as critical, so that its first pass is seen;
 * until then critical does not mean that the process failed.
 */
function isUnheard({ files }: Run, definition: Definition, { partition, acquisition, check }: Watched): boolean {
  return check.id === readyCheck(definition) && !isReadyByCheck(files.partition(partition), acquisition)
}

/** Marks the partition as ready, if this is its readiness check. */
function notePassed(run: Run, definition: Definition, watched: Watched): void {
  const { partition, acquisition } = watched
  if (!isUnheard(run, definition, watched)) return
  if (!writeFactIfWanted(run.files.partition(partition).ready, acquisition)) return
  run.log(`${partition} is ready: check ${watched.check.id} has passed`)
  startDetached('reconcile', run)
}

/** Queues an event for each status that lasted long enough. @returns how many hooks and reactions were queued */
function tellHooks(
  run: Run,
  definition: Definition,
  all: readonly Watched[],
  local: ReadonlyMap<string, Local>,
): number {
  let reactions = 0
  for (const watched of all) {
    const { check, partition, state } = watched
    const change = transitionOf(state, check, bootClock())
    if (change === null || !local.has(partition)) continue
    const id = `${watched.acquisition}.${check.id}.${change.number}`
    const { token, acquisition } = run.files.partition(partition)
    const Token = readFact(token)
    const details = { ...asConsulSays(run, definition, watched), PreviousStatus: change.previous, Token }
    const event = eventOf({ id, event: change.event, check: check.id, partition, details })
    // If the partition was released meanwhile, `released` is its last event: queue nothing after it.
    reactions += inOrder(run.files, () =>
      readFact(acquisition) === watched.acquisition ? enqueue(run.files, definition, event) : 0,
    )
    watched.state = toldOf(state, change)
    const why = `${check.id} is ${state.status}, was ${change.previous}`
    noteEvents(run.files, [{ what: 'check', partitions: [partition], why }])
    run.log(`check ${check.id} of ${partition} is ${state.status}, was ${change.previous}`)
  }
  return reactions
}

/** The check with Consul's field names. */
function asConsulSays({ node }: Run, { id, name }: Definition, { partition, check, state }: Watched) {
  return {
    Node: node,
    CheckID: checkId(id, partition, check.id),
    Name: check.name,
    Status: state.status,
    Notes: check.notes,
    Output: state.output,
    ServiceID: partitionServiceId(id, partition),
    ServiceName: partitionService(name),
    ServiceTags: check.tags,
  }
}

/** Reports statuses that changed, and repeats those whose TTL would run out. */
async function tellConsul(consul: Consul, definition: Definition, all: readonly Watched[]): Promise<void> {
  for (const watched of all) {
    const { check, partition, state } = watched
    if (check.ttlMs !== null) continue
    const says = `${state.status} ${state.output}`
    const now = bootClock()
    if (says === state.reported && now - state.reportedAt < timeToLive(check) / 3) continue
    const id = checkId(definition.id, partition, check.id)
    const known = await report(consul, id, state.status, state.output)
    watched.state = { ...state, reported: known ? says : null, reportedAt: known ? now : 0 }
  }
}

/** When the next command is due, or the next status will have lasted long enough to be told; boot clock, ms. */
function nextDue(all: readonly Watched[]): number {
  return Math.min(
    ...all.flatMap(({ check, state }) => [
      ...(check.ttlMs === null ? [state.due] : []),
      ...(state.status === state.told ? [] : [state.since + check.forMs]),
    ]),
  )
}
