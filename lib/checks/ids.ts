/** What a partition's service and its checks are called in Consul. */
import { encode } from '../names.ts'

/** The name of the service. */
export function partitionService(service: string): string {
  return `${service}-partition`
}

/** The id of a partition's service on its agent. */
export function partitionServiceId(serviceId: string, partition: string): string {
  return `${serviceId}:${encode(partition)}`
}

/** The id of one of its checks. */
export function checkId(serviceId: string, partition: string, check: string): string {
  return `${partitionServiceId(serviceId, partition)}:${check}`
}

/** The path that passes a check of the process's own; `pass` may be `warn` or `fail`. */
export function passPath(id: string, verb: 'pass' | 'warn' | 'fail' = 'pass'): string {
  return `/v1/agent/check/${verb}/${encodeURIComponent(id)}`
}
