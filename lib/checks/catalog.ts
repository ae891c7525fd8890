/**
 * The partition's own service in Consul, `<service>-partition`: its health checks belong to it, and DNS finds the
 * partition's owner by it. The checks never belong to the instance's service or to the node: then one sick partition
 * would take the whole machine out of service.
 */

import { Temporary } from '../base/errors.ts'
import type { Consul } from '../consul/http.ts'
import type { CheckDefinition } from '../definition/checks.ts'
import type { Definition } from '../definition/definition.ts'
import { checkId, partitionService, partitionServiceId } from '../keys/service-ids.ts'
import { dnsLabel } from './dns-label.ts'
import { isStatus, type Status } from './state.ts'

/** The check that says whether the process runs. While it does not, DNS gives no address. */
export const runsCheck = 'runs'

/** Whether partitions of this definition have a service of their own. */
export function isRegistered({ checks, register }: Pick<Definition, 'checks' | 'register'>): boolean {
  return checks.length > 0 || register !== null
}

/** The TTL of a command check in Consul, ms: long enough for two late runs. */
export function timeToLive({ ttlMs, intervalMs }: CheckDefinition): number {
  return ttlMs ?? Math.max(3 * intervalMs, 60_000)
}

const unlimited = '87600h'

/**
 * The registration for the agent. It holds nothing executable: watchbill runs the commands and reports their results.
 */
export function registration(
  definition: Definition,
  instance: string,
  partition: string,
  status: (check: string) => Status,
): Record<string, unknown> {
  const { name, id, checks, register } = definition
  const own = [runsCheck, `whether the process of ${partition} runs`, unlimited, ''] as const
  const all = [own, ...checks.map(check => [check.id, check.name, `${timeToLive(check)}ms`, check.notes] as const)]
  return {
    ID: partitionServiceId(id, partition),
    Name: partitionService(name),
    Tags: [...new Set([dnsLabel(partition), ...checks.flatMap(({ tags }) => tags)])],
    ...(register && { Port: register.port }),
    Meta: { watchbill: instance, partition },
    Checks: all.map(([check, Name, TTL, Notes]) => ({
      CheckID: checkId(id, partition, check),
      Name,
      Notes,
      TTL,
      Status: status(check),
    })),
  }
}

export async function register(consul: Consul, body: Record<string, unknown>): Promise<void> {
  await consul.request('PUT', '/v1/agent/service/register?replace-existing-checks=true', { body: JSON.stringify(body) })
}

/** @param partitionService the id of the service. No error when the agent does not know it. */
export async function deregister(consul: Consul, partitionService: string): Promise<void> {
  const id = encodeURIComponent(partitionService)
  await consul.request('PUT', `/v1/agent/service/deregister/${id}`, { ok: [200, 404, 500] })
}

/**
 * Reports the status of a check to the agent.
 * @returns false when the agent does not know the check and needs a registration
 */
export async function report(consul: Consul, id: string, Status: Status, Output: string): Promise<boolean> {
  const body = JSON.stringify({ Status, Output })
  const { status } = await consul.request('PUT', `/v1/agent/check/update/${encodeURIComponent(id)}`, {
    body,
    ok: [200, 404, 500],
  })
  return status === 200
}

/** The status of every check of this instance's partitions in the agent, by check id. */
export async function agentChecks(
  consul: Consul,
  { name, id }: Pick<Definition, 'name' | 'id'>,
): Promise<Map<string, { status: Status; output: string; partitionService: string }>> {
  const filter = encodeURIComponent(`ServiceName == ${JSON.stringify(partitionService(name))}`)
  const answer = await consul.json<Record<string, Record<string, unknown>>>('GET', `/v1/agent/checks?filter=${filter}`)
  if (typeof answer !== 'object' || answer === null)
    throw new Temporary('cannot read the checks: the answer is not Consul’s')
  return new Map(
    Object.values(answer).flatMap(({ CheckID, ServiceID, Status: status, Output }) => {
      const own = typeof ServiceID === 'string' && ServiceID.startsWith(`${id}:`) && typeof CheckID === 'string'
      if (!own || !isStatus(status)) return []
      return [[CheckID, { status, output: String(Output ?? ''), partitionService: ServiceID }] as const]
    }),
  )
}
