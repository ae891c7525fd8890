/** The name of a partition in DNS: `<label>.<service>-partition.service.consul`. */
import { createHash } from 'node:crypto'

// An id that begins with x- is always hashed, so that no id equals the hashed label of another.
const plain = /^(?!x-)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/**
 * The id itself when DNS can carry it: lower-case letters, digits and hyphens, at most 63, because DNS ignores case.
 * Otherwise `x-` and 16 hexadecimal digits of its SHA-256.
 */
export function dnsLabel(id: string): string {
  return plain.test(id) ? id : `x-${createHash('sha256').update(id).digest('hex').slice(0, 16)}`
}
