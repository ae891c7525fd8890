/** Taking part: a session of this life, and the member key that it holds. */

import { guardCheckId } from '../consul/health.ts'
import { base64, transact } from '../consul/kv.ts'
import { createSession, destroySession, renewSession, sessionName, sessionsOn } from '../consul/session.ts'
import type { Context } from '../context.ts'
import { Temporary } from '../errors.ts'
import { memberValue } from '../members.ts'
import { isActive } from '../plan.ts'
import type { Snapshot } from '../snapshot.ts'
import { readFact, writeFact } from '../state/facts.ts'

/**
 * Makes sure of a session and takes the member key with it. Everyone is told: a new member changes the roster.
 * @throws Temporary when Consul refuses (the guard check is critical or not registered yet)
 */
export async function enter(context: Context, snapshot: Snapshot): Promise<void> {
  const session = (await livingSession(context)) ?? (await newSession(context))
  const { keys, definition, digest, local } = snapshot
  const holds = [...local.values()].some(isActive)
  const outcome = await transact(context.consul, [
    {
      Verb: 'lock',
      Key: keys.member(context.instance),
      Session: session,
      Value: base64(memberValue(context.node, definition, digest, { holds })),
    },
    { Verb: 'set', Key: keys.joined, Value: base64(JSON.stringify({ instance: context.instance, at: now() })) },
  ])
  if (outcome.done) return
  await destroyOlder(context, session)
  throw new Temporary(
    `cannot take part as ${context.instance}: another session holds its member key; it is tried again`,
  )
}

async function livingSession({ consul, node, files }: Context): Promise<string | null> {
  const id = readFact(files.session)
  const session = id === null ? null : await renewSession(consul, id, node)
  return session?.Node === node ? session.ID : null
}

/** A new life: what an older one still holds is freed first, and can then be taken back. */
async function newSession(context: Context): Promise<string> {
  await destroyOlder(context, null)
  const session = await createSession(context.consul, context.instance, guardCheckId(context.serviceId))
  writeFact(context.files.session, session)
  return session
}

async function destroyOlder({ consul, instance, node }: Context, keep: string | null): Promise<void> {
  for (const session of await sessionsOn(consul, node)) {
    if (session.Name === sessionName(instance) && session.ID !== keep) await destroySession(consul, session)
  }
}

function now(): string {
  return new Date().toISOString()
}
