/**
 * Reduces the stdin of a watch handler to what can matter to an instance. Consul's agent writes an array to it. For a
 * keyprefix watch with no key it writes `null`; for service and checks watches that are empty, `[]`.
 */
import { Permanent, reason } from '../base/errors.ts'
import { registeredFrom } from './health.ts'

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw wrong('it is not JSON')
  }
}

function list(text: string, what: string): unknown[] {
  const value = json(text)
  if (!Array.isArray(value)) throw wrong(`it is not the array that a ${what} watch brings`)
  return value
}

/**
 * A service watch: one line per instance, with all that decides whether it is a member.
 * @throws Permanent on any other shape.
 */
export function serviceDigest(text: string): string {
  const entries = list(text, 'service')
  const instances = inShape(() => registeredFrom(entries))
  return instances
    .map(({ instance, passing, maintenance }) => `${instance} ${passing} ${maintenance}`)
    .sort()
    .join('\n')
}

/** The line of an instance that is passing and not in maintenance. */
export function healthyLine(instance: string): string {
  return `${instance} true false`
}

export function isHealthy(line: string): boolean {
  return line.endsWith(healthyLine(''))
}

/** A keyprefix watch: one line per key, with the index of its last change. @throws Permanent on any other shape. */
export function keyprefixDigest(text: string): string {
  if (text.trim() === 'null') return ''
  return (list(text, 'keyprefix') as { Key?: unknown; ModifyIndex?: unknown }[])
    .map(entry => {
      if (typeof entry?.Key !== 'string') throw wrong('an entry has no Key')
      return `${entry.Key} ${entry.ModifyIndex}`
    })
    .sort()
    .join('\n')
}

/**
 * A checks watch: one line, `<id> is <status>`, per check of this instance, or of its partitions.
 * @throws Permanent on any other shape
 */
export function checksDigest(
  text: string,
  own: { readonly node: string; readonly serviceId: string },
  ofPartitions = false,
): string {
  const isOwn = (id: unknown) =>
    ofPartitions ? typeof id === 'string' && id.startsWith(`${own.serviceId}:`) : id === own.serviceId
  return list(text, 'checks')
    .map(checkOf)
    .filter(check => check.node === own.node && isOwn(check.serviceId))
    .map(({ id, status }) => `${id} is ${status}`)
    .sort()
    .join('\n')
}

function checkOf(entry: unknown) {
  const { Node, CheckID, ServiceID, Status } = (entry ?? {}) as Record<string, unknown>
  if (typeof Node !== 'string' || typeof CheckID !== 'string' || typeof Status !== 'string') {
    throw wrong('an entry lacks Node, CheckID or Status')
  }
  return { node: Node, id: CheckID, serviceId: ServiceID, status: Status }
}

function wrong(why: string): Permanent {
  return new Permanent(`cannot read stdin: ${why}; this program is run by Consul's agent as a watch handler`)
}

/** The same error has two meanings: Consul's answer may be right next time, a handler's stdin will not change. */
function inShape<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw wrong(reason(error))
  }
}
