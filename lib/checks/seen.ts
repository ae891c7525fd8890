/** The health of the partitions, as every agent sees it in the catalog. */

import { Temporary } from '../base/errors.ts'
import type { Consul } from '../consul/http.ts'
import { partitionService } from '../keys/service-ids.ts'
import { runsCheck } from './catalog.ts'
import { dnsLabel } from './dns-label.ts'
import { isStatus, type Status, statuses } from './state.ts'

export interface Seen {
  /** The instance that registered it. */
  readonly instance: string
  /** The worst status of its checks, and why checks do not pass, the worst first; empty when all pass. */
  readonly status: Status
  readonly why: string
  /** The DNS name of the partition; null when it has no port. */
  readonly dns: string | null
}

interface Raw {
  readonly Service?: { readonly Meta?: Record<string, unknown> | null; readonly Port?: number; readonly ID?: unknown }
  readonly Checks?: readonly { CheckID?: unknown; Status?: unknown; Output?: unknown; ServiceID?: unknown }[]
}

/** partition -> the health of its service in the catalog. @throws Temporary when the answer is not Consul's */
export async function seenChecks(consul: Consul, service: string): Promise<Map<string, Seen>> {
  const name = partitionService(service)
  const answer = await consul.json<Raw[]>('GET', `/v1/health/service/${encodeURIComponent(name)}`)
  if (!Array.isArray(answer))
    throw new Temporary(`cannot read the checks of ${name}: the answer is not Consul's; try again`)
  return new Map(answer.map(raw => seenOf(name, raw)).filter(one => one !== null))
}

function seenOf(name: string, { Service, Checks }: Raw): [string, Seen] | null {
  const { partition, watchbill } = Service?.Meta ?? {}
  if (typeof partition !== 'string' || typeof watchbill !== 'string' || !Array.isArray(Checks)) return null
  const own = Checks.filter(({ ServiceID }) => ServiceID === Service?.ID)
  const rank = (status: unknown) => (isStatus(status) ? statuses.indexOf(status) : 0)
  const sorted = own.toSorted((a, b) => rank(b.Status) - rank(a.Status))
  const status = statuses[rank(sorted[0]?.Status)] as Status
  return [
    partition,
    {
      instance: watchbill,
      status,
      why: sorted.flatMap(check => wordsOf(check, statuses[rank(check.Status)] as Status) ?? []).join('; '),
      dns: Service?.Port ? `${dnsLabel(partition)}.${name}.service.consul` : null,
    },
  ]
}

/** Null for a check that passes. */
function wordsOf({ CheckID, Output }: { CheckID?: unknown; Output?: unknown }, status: Status): string | null {
  if (status === 'passing') return null
  const check = String(CheckID ?? '')
    .split(':')
    .at(-1)
  const what = check === runsCheck ? 'its process does not run' : `check ${check} is ${status}`
  return [what, oneLine(String(Output ?? ''))].filter(Boolean).join(': ')
}

/** Made printable, on one line. */
function oneLine(text: string): string {
  return text
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, 200)
}
