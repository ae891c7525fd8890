/**
 * The partition's own service in Consul, `<service>-partition`: its health checks hang on it, and DNS finds its owner
 * by it. Never on the instance's service or the node: one sick partition would take the whole machine out.
 */

import { Temporary } from '../base/errors.ts'
import type { Consul } from '../consul/http.ts'
import type { CheckDefinition, Definition } from '../definition/definition.ts'
import { checkId, partitionService, partitionServiceId } from '../keys/service-ids.ts'
import { dnsLabel } from './dns-label.ts'
import { isStatus, type Status } from './state.ts'

/** The check that says whether the process runs: DNS answers with nobody while it does not. */
export const runsCheck = 'runs'

/** Whether a partition of this definition has a service of its own at all. */
export function isRegistered({ checks, register }: Pick<Definition, 'checks' | 'register'>): boolean {
  return checks.length > 0 || register !== null
}

/** A command check's time to live in Consul, ms: it outlives two runs that came late. */
export function timeToLive({ ttlMs, intervalMs }: CheckDefinition): number {
  return ttlMs ?? Math.max(3 * intervalMs, 60_000)
}

const unlimited = '87600h'

/** What the agent is told. Nothing executable: commands are run by us, and reported. */
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

/** @param partitionService its id. No error when the agent does not know it. */
export async function deregister(consul: Consul, partitionService: string): Promise<void> {
  const id = encodeURIComponent(partitionService)
  await consul.request('PUT', `/v1/agent/service/deregister/${id}`, { ok: [200, 404, 500] })
}

/** Tells the agent how a check is. @returns false when the agent does not know the check: it is to be registered anew */
export async function report(consul: Consul, id: string, Status: Status, Output: string): Promise<boolean> {
  const body = JSON.stringify({ Status, Output })
  const { status } = await consul.request('PUT', `/v1/agent/check/update/${encodeURIComponent(id)}`, {
    body,
    ok: [200, 404, 500],
  })
  return status === 200
}

/** What the agent itself knows of this instance's partitions: the statuses of all their checks by check id. */
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
