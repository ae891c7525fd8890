/** The name of a partition in DNS: `<label>.<service>-partition.service.consul`. */
import { createHash } from 'node:crypto'

// What begins with x- is never taken as it is, so that no id can be taken for another one's mapped form.
const plain = /^(?!x-)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/**
 * The id itself where DNS can carry it: lower-case letters, digits and hyphens, at most 63, for DNS does not tell upper
 * case from lower. Otherwise `x-` and 16 hexadecimal digits of its SHA-256.
 */
export function dnsLabel(id: string): string {
  return plain.test(id) ? id : `x-${createHash('sha256').update(id).digest('hex').slice(0, 16)}`
}
