/**
 * Who is registered, and how well: the shape that the health endpoint answers and a service watch brings. A handler that
 * leaves early needs this and no connection.
 */
import { Temporary } from '../base/errors.ts'
import { instanceName } from '../base/names.ts'

/** What decides over membership, of one registered instance. */
export interface Registered {
  readonly instance: string
  readonly node: string
  /** Consul's gossip says that the node lives. */
  readonly nodeAlive: boolean
  /** serfHealth and the guard check are passing. */
  readonly passing: boolean
  /** Consul's maintenance mode is on, of the node or of the service. */
  readonly maintenance: boolean
  /** Which check keeps it from passing, and what that said; left out when it is passing. */
  readonly trouble?: Trouble
}

export interface Trouble {
  /** The gossip's check of the node, the guard's, or the guard's is not there at all. */
  readonly check: 'node' | 'guard' | 'missing'
  /** One line; empty when Consul has none. */
  readonly output: string
}

interface RawCheck {
  CheckID: string
  Status: string
  Output?: unknown
}

interface RawService {
  Node: { Node: string }
  Service: { ID: string; Service?: string; Meta?: Record<string, string> | null }
  Checks: RawCheck[]
}

/** The id of an instance's guard check. */
export function guardCheckId(serviceId: string): string {
  return `${serviceId}-guard`
}

/**
 * A partition's own service, as lib/checks/ registers it, is no instance: `cons-partition` may be the name of a service, too.
 * @param services what `/v1/health/service/<name>` answers, or a service watch brings
 * @param name of the service: Consul answers with those of `Web` for `web`
 * @throws Temporary when it is not of that shape: garbage must never look like an empty cluster
 */
export function registeredFrom(services: unknown, name?: string): Registered[] {
  if (!Array.isArray(services)) throw new Temporary('the list of instances is not a list')
  return services.filter(service => isInstance(service, name)).map(registeredOf)
}

/** What is not of Consul's shape is left for `registeredOf` to refuse. */
function isInstance(service: RawService | null, name?: string): boolean {
  const { Service, Meta } = service?.Service ?? {}
  return Meta?.watchbill === undefined && (name === undefined || Service === undefined || Service === name)
}

function registeredOf(service: RawService): Registered {
  const node = service?.Node?.Node
  const id = service?.Service?.ID
  if (typeof node !== 'string' || typeof id !== 'string' || !Array.isArray(service.Checks)) {
    throw new Temporary('an instance lacks its node, its id or its checks')
  }
  const found = (check: string) => service.Checks.find(one => one?.CheckID === check)
  const status = (check: string) => found(check)?.Status
  const trouble = troubleOf(found('serfHealth'), found(guardCheckId(id)))
  return {
    instance: instanceName(node, id),
    node,
    nodeAlive: status('serfHealth') === 'passing',
    passing: trouble === null,
    maintenance: status('_node_maintenance') !== undefined || status(`_service_maintenance:${id}`) !== undefined,
    ...(trouble && { trouble }),
  }
}

function troubleOf(serfHealth: RawCheck | undefined, guard: RawCheck | undefined): Trouble | null {
  if (serfHealth?.Status !== 'passing') return { check: 'node', output: outputOf(serfHealth) }
  if (guard === undefined) return { check: 'missing', output: '' }
  return guard.Status === 'passing' ? null : { check: 'guard', output: outputOf(guard) }
}

/** Anybody may have written it: one line, nothing that moves a cursor. */
function outputOf(check: RawCheck | undefined): string {
  return String(check?.Output ?? '')
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim()
    .slice(0, 300)
}
