/** The names of a partition's service and checks in Consul. */

/** The name of the service. */
export function partitionService(service: string): string {
  return `${service}-partition`
}

/** The id of a partition's service on its agent. */
export function partitionServiceId(serviceId: string, partition: string): string {
  return `${serviceId}:${safeForCase(partition)}`
}

// Letters and digits of any script, and characters that are harmless in an id.
const raw = /[\p{L}\p{N}_.:-]/u

/**
 * Consul's catalog ignores case: a change of the record of A also changes that of a (seen on 1.8.7). So a capital is
 * percent-encoded, like characters that a path cannot hold. A leading dot is encoded too, as in earlier releases.
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

/** The id of a partition's check. */
export function checkId(serviceId: string, partition: string, check: string): string {
  return `${partitionServiceId(serviceId, partition)}:${check}`
}

/** The path that passes a check which the process reports itself; `verb` may also be `warn` or `fail`. */
export function passPath(id: string, verb: 'pass' | 'warn' | 'fail' = 'pass'): string {
  return `/v1/agent/check/${verb}/${encodeURIComponent(id)}`
}
