/** What a partition's service and its checks are called in Consul. */

/** The name of the service. */
export function partitionService(service: string): string {
  return `${service}-partition`
}

/** The id of a partition's service on its agent. */
export function partitionServiceId(serviceId: string, partition: string): string {
  return `${serviceId}:${safeForCase(partition)}`
}

// Letters and digits of any script, and what is harmless in an id.
const raw = /[\p{L}\p{N}_.:-]/u

/**
 * Consul's catalog does not tell capitals from small letters: what A does to its record, it does to a's (seen on 1.8.7).
 * A capital is percent-encoded, as is what could not stand in a path. A leading dot is too, as it always was.
 */
function safeForCase(id: string): string {
  const encoded = Array.from(id, character => (isSafe(character) ? character : percent(character))).join('')
  return encoded.startsWith('.') ? `%2E${encoded.slice(1)}` : encoded
}

function isSafe(character: string): boolean {
  return raw.test(character) && character === character.toLowerCase()
}

function percent(character: string): string {
  return Array.from(Buffer.from(character), byte => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
}

/** The id of one of its checks. */
export function checkId(serviceId: string, partition: string, check: string): string {
  return `${partitionServiceId(serviceId, partition)}:${check}`
}

/** The path that passes a check of the process's own; `pass` may be `warn` or `fail`. */
export function passPath(id: string, verb: 'pass' | 'warn' | 'fail' = 'pass'): string {
  return `/v1/agent/check/${verb}/${encodeURIComponent(id)}`
}
