/** Sessions: an instance's locks are held by its session. */
import { Temporary } from '../base/errors.ts'
import { parse } from '../base/json.ts'
import { partsOf } from '../base/names.ts'
import type { Consul } from './http.ts'

/** Long enough that a busy server expires no session. The guard renews it. */
export const sessionTtl = '30s'

export interface Session {
  readonly ID: string
  readonly Name: string
  readonly Node: string
}

/** The name of an instance's sessions, by which a restarted instance finds its older ones. */
export function sessionName(instance: string): string {
  return `watchbill ${instance}`
}

/**
 * Creates a session bound to the agent's health and to the guard check. LockDelay is 0 because the takeover wait
 * replaces it: lock-delay can be raced, and Consul forgets it when a snapshot is restored (seen on 1.8.7).
 * @throws Temporary when the guard check is missing or critical.
 */
export function createSession(consul: Consul, instance: string, guardCheck: string): Promise<string> {
  return newSession(consul, sessionName(instance), sessionTtl, [guardCheck], partsOf(instance).node)
}

/** A session that ends with the agent's health, with any of these checks, or when it is not renewed in time. */
export async function newSession(
  consul: Consul,
  name: string,
  ttl: string,
  checks: readonly string[] = [],
  node?: string,
): Promise<string> {
  const body = JSON.stringify({
    Name: name,
    LockDelay: '0s',
    Behavior: 'release',
    TTL: ttl,
    NodeChecks: ['serfHealth'],
    ServiceChecks: checks.map(ID => ({ ID })),
  })
  const session = await consul.json<{ ID?: unknown }>('PUT', '/v1/session/create', { body, ...(node && { on: node }) })
  if (typeof session?.ID !== 'string')
    throw new Temporary('cannot create a session: Consul named none; it is tried again')
  return session.ID
}

/** Renews the session; null when it does not exist any more. @param node the node it should be on */
export async function renewSession(consul: Consul, id: string, node?: string): Promise<Session | null> {
  const answer = await consul.request('PUT', `/v1/session/renew/${encodeURIComponent(id)}`, {
    ok: [200, 404],
    repeatable: true,
    ...(node && { on: node }),
  })
  if (answer.status === 404) return sessionInfo(consul, id) // a proxy answers 404 too
  const sessions = parse<unknown>('/v1/session/renew', answer.text)
  if (!isSessions(sessions) || !sessions[0]) {
    throw new Temporary(`cannot renew the session: the answer is not Consul's; it is tried again`)
  }
  return sessions[0]
}

function isSessions(value: unknown): value is Session[] {
  const texts = (one: Partial<Session> | null) =>
    [one?.ID, one?.Name, one?.Node].every(text => typeof text === 'string')
  return Array.isArray(value) && value.every(texts)
}

/** The session as the servers know it; null when there is none, or the token may not see it. */
export async function sessionInfo(consul: Consul, id: string): Promise<Session | null> {
  const answer = await consul.request('GET', `/v1/session/info/${encodeURIComponent(id)}?consistent`)
  const sessions = parse<unknown>('/v1/session/info', answer.text)
  if (answer.index === null || !(sessions === null || isSessions(sessions))) {
    throw new Temporary(`cannot look up the session: the answer is not Consul's; it is tried again`)
  }
  return sessions?.[0] ?? null
}

/** Destroys a session, which frees its locks; no error when it is already gone. */
export async function destroySession(
  consul: Consul,
  { ID, Node }: Pick<Session, 'ID'> & Partial<Session>,
): Promise<void> {
  await consul.request('PUT', destroyPath(ID), { repeatable: true, ...(Node && { on: Node }) })
}

/** Destroys a session that holds nothing, and does not wait for the answer. If it does not arrive, the session's TTL ends it. */
export function tellToDestroy(consul: Consul, id: string): Promise<void> {
  return consul.tell('PUT', destroyPath(id)).catch(() => {})
}

function destroyPath(id: string): string {
  return `/v1/session/destroy/${encodeURIComponent(id)}`
}

/** All sessions on a node. @throws Denied when the token may not see them: Consul then answers with an empty list */
export async function sessionsOn(consul: Consul, node: string): Promise<readonly Session[]> {
  const answer = await consul.request('GET', `/v1/session/node/${encodeURIComponent(node)}?consistent`)
  const sessions = parse<unknown>('/v1/session/node', answer.text)
  if (answer.index === null || !isSessions(sessions))
    throw new Temporary(`cannot list the sessions of ${node}; it is tried again`)
  if (sessions.length > 0) return sessions
  const { mustHave } = await import('./access.ts')
  await mustHave(consul, `list the sessions of ${node}`, [{ resource: 'session', access: 'read', of: node }])
  return sessions
}

/** All sessions in the data center that the token may see: Consul silently omits the others. */
export async function allSessions(consul: Consul): Promise<readonly Session[]> {
  const sessions = await consul.json<unknown>('GET', '/v1/session/list?consistent')
  if (!isSessions(sessions)) throw new Temporary('cannot list the sessions; it is tried again')
  return sessions
}
