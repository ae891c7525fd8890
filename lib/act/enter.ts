/** Taking part: a session made by this run of the instance, and the member key that the session holds. */

import { bootClock } from '../base/clock.ts'
import { Temporary } from '../base/errors.ts'
import { guardCheckId } from '../consul/health.ts'
import { base64, transact } from '../consul/kv.ts'
import { createSession, destroySession, renewSession, sessionName, sessionsOn } from '../consul/session.ts'
import { memberValue } from '../keys/member.ts'
import { offersOf } from '../keys/offers.ts'
import type { Snapshot } from '../look/snapshot.ts'
import { noteEvents } from '../state/events.ts'
import { readFact, removeFact, writeFact } from '../state/facts.ts'
import { isActive } from '../state/local.ts'
import type { Run } from '../state/self.ts'
import { Misplaced } from './misplaced.ts'
import { noteTwin } from './own-troubles.ts'
import { tellAlive } from './proved-alive.ts'

/**
 * Makes a session if there is none, takes the member key with it and wakes all instances: a new member changes the roster.
 * @throws Misplaced when the node has another name; Temporary when Consul refuses (guard check critical or not registered yet)
 */
export async function enter(run: Run, snapshot: Snapshot): Promise<void> {
  await mustNotBeMisplaced(run)
  if (isTwinSeen(run, snapshot)) noteTwin(run.files, bootClock())
  const session = (await livingSession(run)) ?? (await newSession(run))
  const { keys, definition, digest, shared, local } = snapshot
  const offers = offersOf(definition, snapshot.registered.find(one => one.instance === run.instance)?.offers)
  const holds = [...local.values()].some(isActive)
  // A report that this state directory does not know was written under a wrong node name: see Misplaced.
  const stale = readFact(run.files.report) === null
  const outcome = await transact(run.consul, [
    {
      Verb: 'lock',
      Key: keys.member(run.instance),
      Session: session,
      Value: base64(memberValue(run.node, definition, digest, { holds, shared, offers, own: snapshot.own })),
    },
    { Verb: 'set', Key: keys.joined, Value: base64(JSON.stringify({ instance: run.instance, at: now() })) },
    ...(stale ? [{ Verb: 'delete', Key: keys.report(run.instance) } as const] : []),
  ])
  if (outcome.done) {
    const index = outcome.entries.reduce((highest, { modifyIndex }) => Math.max(highest, modifyIndex), 0) || null
    if (snapshot.session === null) await tellAlive(run)
    return noteEvents(run.files, [{ what: snapshot.session === null ? 'joined' : 'told of its definition', index }])
  }
  await destroyOlder(run, session)
  throw new Temporary(`cannot take part as ${run.instance}: another session holds its member key; it is tried again`)
}

/**
 * Another session holds this instance's member key, although this state directory has a session: two machines use one name.
 * It is not an older session of our own: those are destroyed before a new one is made.
 */
function isTwinSeen({ instance, files }: Run, { members }: Snapshot): boolean {
  const own = readFact(files.session)
  const holder = members.find(member => member.instance === instance)?.session
  return own !== null && holder !== undefined && holder !== own
}

async function livingSession({ consul, node, files }: Run): Promise<string | null> {
  const id = readFact(files.session)
  const session = id === null ? null : await renewSession(consul, id, node)
  return session?.Node === node ? session.ID : null
}

/** While the session that Consul made on another node name lives, make no further one: it would be one at every tick. */
async function mustNotBeMisplaced({ consul, node, instance, files }: Run): Promise<void> {
  const [id, realNode = ''] = readFact(files.misplaced)?.split(/ (.*)/s) ?? []
  if (id === undefined) return
  const living = readFact(files.session) === id ? await renewSession(consul, id, node) : null
  if (living !== null && living.Node === realNode && realNode !== node) throw new Misplaced(instance, node, realNode)
  removeFact(files.misplaced)
}

/** Destroys older sessions of this instance first: that frees their locks, which can then be taken back. */
async function newSession(run: Run): Promise<string> {
  await destroyOlder(run, null)
  const session = await createSession(run.consul, run.instance, guardCheckId(run.serviceId))
  writeFact(run.files.session, session)
  const made = await renewSession(run.consul, session, run.node)
  if (made === null || made.Node === run.node) return session
  writeFact(run.files.misplaced, `${session} ${made.Node}`)
  throw new Misplaced(run.instance, run.node, made.Node)
}

async function destroyOlder({ consul, instance, node }: Run, keep: string | null): Promise<void> {
  for (const session of await sessionsOn(consul, node)) {
    if (session.Name === sessionName(instance) && session.ID !== keep) await destroySession(consul, session)
  }
}

function now(): string {
  return new Date().toISOString()
}
