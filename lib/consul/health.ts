/**
 * The registered instances and their health, from the answer of the health endpoint or from a service watch. Apart from
 * the connection, because a handler that ends early needs only this.
 */
import { Temporary } from '../base/errors.ts'
import { instanceName } from '../base/names.ts'

/** One registered instance, with all that decides whether it is a member. */
export interface Registered {
  readonly instance: string
  readonly node: string
  /** Consul's gossip says that the node lives. */
  readonly nodeAlive: boolean
  /** serfHealth and the guard check are passing. */
  readonly passing: boolean
  /** Consul's maintenance mode is on, of the node or of the service. */
  readonly maintenance: boolean
  /** Which check keeps it from passing, and its output; left out when it is passing. */
  readonly trouble?: Trouble
  /** What its node says of itself for placement; left out when that is nothing. */
  readonly offers?: NodeOffers
}

export interface NodeOffers {
  /** The agent's `node_meta`, without Consul's own. */
  readonly meta?: Readonly<Record<string, string>>
  readonly datacenter?: string
}

export interface Trouble {
  /** `node`: serfHealth. `guard`: the guard check. `missing`: the guard check is not registered. */
  readonly check: 'node' | 'guard' | 'missing'
  /** One line; empty when the check has no output. */
  readonly output: string
}

interface RawCheck {
  CheckID: string
  Status: string
  Output?: unknown
}

interface RawService {
  Node: { Node: string; Datacenter?: unknown; Meta?: unknown }
  Service: { ID: string; Service?: string; Meta?: Record<string, string> | null }
  Checks: RawCheck[]
}

/** The id of an instance's guard check. */
export function guardCheckId(serviceId: string): string {
  return `${serviceId}-guard`
}

/**
 * The services of partitions, which lib/checks/ registers, are left out: a service may be named `cons-partition`, too.
 * @param services the answer of `/v1/health/service/<name>`, or the stdin of a service watch
 * @param name of the service: asked for `web`, Consul also answers with the instances of `Web`
 * @throws Temporary for any other shape: garbage must never look like an empty cluster
 */
export function registeredFrom(services: unknown, name?: string): Registered[] {
  if (!Array.isArray(services)) throw new Temporary('the list of instances is not a list')
  return services.filter(service => isInstance(service, name)).map(registeredOf)
}

/** An entry of another shape than Consul's is kept here, and `registeredOf` refuses it. */
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
    ...offersIn(service.Node),
  }
}

function offersIn({ Datacenter, Meta }: RawService['Node']): Pick<Registered, 'offers'> {
  // Consul adds fields of its own, such as consul-network-segment.
  const own = Object.entries(Meta ?? {}).filter(([name, value]) => !name.startsWith('consul-') && isText(value))
  if (own.length === 0 && !isText(Datacenter)) return {}
  return {
    offers: {
      ...(own.length > 0 && { meta: Object.fromEntries(own) }),
      ...(isText(Datacenter) && { datacenter: Datacenter }),
    },
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function troubleOf(serfHealth: RawCheck | undefined, guard: RawCheck | undefined): Trouble | null {
  if (serfHealth?.Status !== 'passing') return { check: 'node', output: outputOf(serfHealth) }
  if (guard === undefined) return { check: 'missing', output: '' }
  return guard.Status === 'passing' ? null : { check: 'guard', output: outputOf(guard) }
}

/** Anybody may have written a check's output: it is cut to one line without control characters. */
function outputOf(check: RawCheck | undefined): string {
  return String(check?.Output ?? '')
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim()
    .slice(0, 300)
}
