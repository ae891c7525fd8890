/** Leaves for good: stops the processes, gives every lock back, removes the instance from Consul. */

import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { act } from '../act/act.ts'
import { bootClock, bootId, randomId } from '../base/clock.ts'
import { reason, Temporary } from '../base/errors.ts'
import { base64, transact } from '../consul/kv.ts'
import { destroySession, sessionName, sessionsOn } from '../consul/session.ts'
import { tellLeft } from '../hooks/instance.ts'
import { recorded } from '../keys/asked.ts'
import { memberValue } from '../keys/member.ts'
import { forgetPublished } from '../keys/published.ts'
import { look } from '../look/look.ts'
import type { Snapshot } from '../look/snapshot.ts'
import { plan } from '../plan/plan.ts'
import type { Step } from '../plan/step.ts'
import { removeHome } from '../process/containment/groups.ts'
import { assigned } from '../roster/assignment.ts'
import { endClock } from '../state/clock.ts'
import { removeFact, writeFact } from '../state/facts.ts'
import { asOnlyHandler } from '../state/handler-lock.ts'
import { writeLeaving } from '../state/left.ts'
import { acquisitionOf } from '../state/local.ts'
import type { Run } from '../state/self.ts'
import { hasStandIn } from '../state/stand-in.ts'

export interface Leaving {
  readonly steps: readonly Step[]
  readonly snapshot: Snapshot
  /** The member key says leaving, so that the others know. */
  readonly announced: boolean
}

/** The steps that a leaving instance would take now. @param keep as of `look` */
export async function leavingSteps(run: Run, keep = true): Promise<Leaving> {
  const { snapshot } = await look(run, keep)
  const leaving = {
    ...snapshot,
    leaseRuns: false,
    renewable: true, // as if: it takes its own locks back only to release them
    members: snapshot.members.map(member =>
      member.instance === run.instance ? { ...member, absence: 'leaving' as const } : member,
    ),
  }
  const { steps } = plan(leaving, (await assigned(leaving)).placed)
  // Without a session, first take its own locks back: then they can be released cleanly, without a takeover wait.
  const wanted = [
    'release',
    'stop',
    'disown',
    'reclaim',
    ...(snapshot.session === null && busy(snapshot) ? ['enter'] : []),
  ]
  return {
    steps: steps.filter(({ do: what }) => wanted.includes(what)),
    snapshot: leaving,
    announced: isAnnounced(snapshot),
  }
}

function isAnnounced({ members, instance }: Snapshot): boolean {
  return members.some(member => member.instance === instance && member.absence === 'leaving')
}

function busy(snapshot: Snapshot): boolean {
  return [...snapshot.local.values()].some(one => acquisitionOf(one) !== null)
}

/**
 * Stops this instance's processes, releases its locks cleanly, wakes the next holders, and removes its keys, session and
 * registration from Consul. @returns how many partitions it gave back
 * @throws Temporary when another handler keeps running, or Consul is away: run it again
 */
export async function leave(run: Run, deadline: number): Promise<number> {
  writeLeaving(run.files)
  let released = 0
  const id = randomId() // a mark of another handler repeats the work: hooks recognise this leave by its id
  const end = performance.now() + deadline
  const work = async () => {
    if (hasStandIn(run.files)) await endStandIn(run)
    for (;;) {
      const { steps, snapshot, announced } = await leavingSteps(run)
      if (!announced && snapshot.session !== null) {
        await announce(run, snapshot, snapshot.session)
        continue
      }
      if (steps.length === 0) {
        await goodbye(run, snapshot)
        tellLeft(run, snapshot.definition, released, id)
        return
      }
      await act(run, snapshot, steps)
      const gone = steps.filter(({ do: what }) => what === 'release').length
      released += gone
      if (gone > 0) run.log(`leaves: gave back ${gone} partitions`)
      if (performance.now() > end) throw new Temporary('cannot leave: some partitions do not stop; try again')
    }
  }
  while (!(await asOnlyHandler(run.files.directory, work))) {
    if (performance.now() > end) throw new Temporary('cannot leave: another handler is still running; try again')
    await delay(50)
  }
  return released
}

/** It is cut off no more, since Consul has let it leave. */
async function endStandIn({ files }: Run): Promise<void> {
  const stand = await import('../process/stand-in.ts')
  await stand.endStandIn(files)
}

/** Tells the others that this instance leaves, so that none hands a partition over to it meanwhile. */
async function announce(run: Run, { keys, definition, digest, shared }: Snapshot, session: string): Promise<void> {
  const value = base64(memberValue(run.node, definition, digest, { leaving: true, shared }))
  const lock = { Verb: 'lock', Key: keys.member(run.instance), Session: session, Value: value } as const
  const outcome = await transact(run.consul, [lock])
  if (!outcome.done) throw new Temporary('cannot leave: the session was lost meanwhile; try again')
}

/** Takes the instance out of Consul. Locks that are still held become free as unclean ones, with its session. */
export async function goodbye(run: Run, { keys }: Pick<Snapshot, 'keys'>): Promise<void> {
  endClock(run.files.clock) // it is in the group that is removed below
  for (const session of await sessionsOn(run.consul, run.node)) {
    if (session.Name === sessionName(run.instance)) await destroySession(run.consul, session)
  }
  const own = [keys.member, keys.report, keys.proposal, keys.render].map(key => key(run.instance))
  own.push(...keys.wakes(run.instance))
  await transact(run.consul, [
    ...own.map(Key => ({ Verb: 'delete', Key }) as const),
    ...(await recorded(run.consul, keys, [{ what: 'left', instance: run.instance }])),
  ])
  await run.consul.request('PUT', `/v1/agent/service/deregister/${encodeURIComponent(run.serviceId)}`, {
    ok: [200, 404, 500],
    on: run.service,
  })
  if (existsSync(run.files.figures) || existsSync(run.files.health))
    await forgetPublished(run.consul, run.service, run.instance)
  if (existsSync(run.files.rendered)) await forgetTold(run)
  for (const fact of ['session', 'report', 'defined', 'proposed', 'health'] as const) removeFact(run.files[fact])
  await publishLast(run)
  removeHome(run.files)
  writeFact(run.files.left, `${bootId()} ${bootClock()}`)
  run.log('left')
}

/** The guard does not run any more. What it cannot publish is lost to the others, and stays in the state directory. */
async function publishLast(run: Run): Promise<void> {
  try {
    const { publish } = await import('../guard/publish.ts')
    await publish(run, null, { now: bootClock(), interval: 1, isLate: false }, limit => run.consul.another(10 * limit))
  } catch (error) {
    run.log(`its last events cannot be published: ${reason(error)}`)
  }
}

/** Its key in Consul is gone: what is wrong with its files is told again when it comes back. */
async function forgetTold({ files }: Run): Promise<void> {
  const { keepRendered, readRendered } = await import('../state/renders.ts')
  keepRendered(files, { ...readRendered(files), told: null })
}
