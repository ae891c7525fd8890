/**
 * A model of the part of Consul's HTTP API that watchbill uses, on top of the store: sessions bound to checks, the
 * catalog's health, and blocking queries.
 */
import type { RawEntry } from '../../lib/consul/kv.ts'
import type { Operation } from '../../lib/consul/operation.ts'
import { Store } from './store.ts'
import { type Behaviour, behaviours } from './versions.ts'

export interface Request {
  readonly method: string
  readonly path: string
  readonly body: string
  /** The operations of a transaction; empty for any other request. */
  readonly operations: readonly Operation[]
  /** The node of the agent that gets the request. */
  readonly node?: string
}

/**
 * `text` is JSON unless it is a string. A reply carries X-Consul-Index: `index`, or Raft's when left out; null for
 * none.
 */
export interface Reply {
  readonly status?: number
  readonly text?: unknown
  readonly index?: number | null
  readonly headers?: Readonly<Record<string, string>>
  /** The connection is closed instead of a reply. */
  readonly cut?: true
}

export interface Service {
  readonly name: string
  /** Status of the guard check. */
  status: 'passing' | 'critical'
}

export interface Node {
  serfHealth: 'passing' | 'critical'
  /** By service id. */
  readonly services: Map<string, Service>
}

/** Parses an HTTP request. */
export function requestOf(method: string, path: string, body: string, node?: string): Request {
  const operations = path.startsWith('/v1/txn')
    ? (JSON.parse(body) as { KV: Operation }[]).map(operation => operation.KV)
    : []
  return { method, path, body, operations, ...(node === undefined ? {} : { node }) }
}

export class ConsulModel extends Store {
  /** The Consul version that the agents behave like. */
  behaves: Behaviour = behaviours['1.8.7']
  /** Agents of another version, by node. What an agent refuses it refuses itself, whatever the servers' version. */
  readonly agents = new Map<string, Behaviour>()
  readonly nodes = new Map<string, Node>()
  /** Makes session ids. */
  nextId: () => string = () => crypto.randomUUID()
  /** Called for sessions that were created or renewed. */
  onAlive: (id: string) => void = () => {}

  /** By service: the last answer about its health, and the index since which it is the same. */
  readonly #healthSeen = new Map<string, { words: string; index: number }>()

  /** The ModifyIndex of each node's serfHealth, once that has changed. */
  readonly #serfIndex = new Map<string, number>()

  answer(request: Request): Reply {
    const [route, words, query] = partsOf(request.path)
    if (route === 'txn') return this.#transaction(request)
    if (route === 'kv') return this.#key(request, words.join('/'), query)
    if (route === 'session') return this.#session(request, words)
    if (route === 'health' && words[0] === 'state') return { text: this.#failed() }
    if (route === 'health' && words[0] === 'node') return { text: this.#checksOf(words[1] ?? '') }
    if (route === 'health') return this.#healthReply(words[1] ?? '')
    if (route === 'agent' && words[0] === 'members') return { text: this.#gossip() }
    if (route === 'internal') return this.#allowed(request.body)
    if (route === 'agent' && words[1] === 'deregister') return this.#deregister(request.node ?? '', words[2] ?? '')
    return { status: 500, text: `nothing known of ${request.path}` }
  }

  override entry(raw: RawEntry): RawEntry {
    return { ...this.behaves.fields, ...raw }
  }

  /** How long a request is held back, ms; 0 unless it is a blocking query and nothing has changed since its index. */
  blocksFor({ path }: Request): number {
    const [route, words, query] = partsOf(path)
    const index = Number(query.get('index') ?? 0)
    if (route !== 'kv' || index === 0 || this.indexBelow(words.join('/')) > index) return 0
    return Number.parseInt(query.get('wait') ?? '300000', 10)
  }

  /** Whether the agent cuts the connection of a blocking query before its wait is over. */
  cuts(request: Request): boolean {
    const [, , query] = partsOf(request.path)
    const wait = query.has('index') ? Number.parseInt(query.get('wait') ?? '300000', 10) : 0
    return (wait * 17) / 16 > this.#behaviour(request).longestQuery
  }

  /** Changes a check, and ends the sessions that depend on it. */
  setGuard(node: string, id: string, status: Service['status']): void {
    const service = this.nodes.get(node)?.services.get(id)
    if (!service || service.status === status) return
    service.status = status
    if (status === 'critical') this.destroyOf(node, `watchbill ${node}:${id}`)
  }

  /** Changes what gossip says of a node, and ends the sessions that depend on it. */
  setSerf(node: string, status: Node['serfHealth']): void {
    const known = this.nodes.get(node)
    if (known && known.serfHealth !== status) this.#serfIndex.set(node, ++this.index)
    if (known) known.serfHealth = status
    if (status === 'critical') this.destroyOf(node)
  }

  /** @param name only the sessions of this name */
  destroyOf(node: string, name?: string): void {
    for (const [id, session] of [...this.sessions]) {
      if (session.Node === node && (name === undefined || session.Name === name)) this.destroy(id)
    }
  }

  #behaviour({ node }: Request): Behaviour {
    return this.agents.get(node ?? '') ?? this.behaves
  }

  #transaction(request: Request): Reply {
    const { operations } = request
    const behaves = this.#behaviour(request)
    if (operations.length > behaves.operations) return { status: 413, text: 'too many operations' }
    if (operations.some(({ Key }) => behaves.refusesOperation(Key)))
      return { status: 400, text: 'Invalid key in transaction: invalid key name' }
    const outcome = this.transact(operations)
    return { status: outcome.Errors ? 409 : 200, text: outcome }
  }

  #key(request: Request, key: string, query: URLSearchParams): Reply {
    const { method, body } = request
    const refused = this.#behaviour(request).refusesUrl(key)
    if (refused !== null) return { status: refused, text: 'invalid key name, keys should not contain that' }
    if (method === 'PUT') {
      this.put(key, body)
      return { text: true }
    }
    if (method === 'DELETE') {
      this.remove(key)
      return { text: true }
    }
    const exact = this.keys.get(key)
    const found: RawEntry[] = query.has('keys') || query.has('recurse') ? this.below(key) : exact ? [exact] : []
    const index = this.indexBelow(key)
    if (found.length === 0) return { status: 404, index }
    return { index, text: query.has('keys') ? found.map(({ Key }) => Key) : found }
  }

  /** The answer of `/v1/internal/acl/authorize`. */
  #allowed(body: string): Reply {
    const questions: { Segment: string }[] = JSON.parse(body)
    if (questions.length > 64) return { status: 400, text: 'too many authorization requests' }
    return { text: questions.map(question => ({ ...question, Allow: !this.denied(question.Segment) })) }
  }

  #session({ body, node }: Request, [act, id = '']: readonly string[]): Reply {
    const session = this.sessions.get(id)
    if (act === 'renew') {
      if (!session) return { status: 404, text: `Session id '${id}' not found` }
      this.onAlive(id)
      return { text: [{ ID: id, ...session }] }
    }
    if (act === 'info') return { text: session ? [{ ID: id, ...session }] : [] }
    if (act === 'destroy') {
      if (session) this.destroy(id)
      return { text: true }
    }
    const all = [...this.sessions].map(([ID, session]) => ({ ID, ...session }))
    if (act === 'node') return { text: all.filter(({ Node }) => Node === id) }
    if (act === 'list') return { text: all }
    return act === 'create' ? this.#create(body, node) : { status: 500, text: `nothing known of session/${act}` }
  }

  #create(body: string, agent: string | undefined): Reply {
    const { Name, ServiceChecks = [] } = JSON.parse(body) as { Name: string; ServiceChecks?: { ID: string }[] }
    const node = agent ?? Name.replace(/^watchbill (.*):.*/, '$1')
    const known = this.nodes.get(node)
    if (known) {
      const services = ServiceChecks.map(({ ID }) => known.services.get(ID.replace(/-guard$/, '')))
      const failing = known.serfHealth !== 'passing' || services.some(service => service?.status !== 'passing')
      if (failing) return { status: 500, text: 'Check is in critical state' }
    }
    const id = this.session(this.nextId(), node, Name)
    this.index++
    this.onAlive(id)
    return { text: { ID: id } }
  }

  /** The index moves when the answer changes, and only then. */
  #healthReply(name: string): Reply {
    const text = this.#health(name)
    const words = JSON.stringify(text)
    if (this.#healthSeen.get(name)?.words !== words) this.#healthSeen.set(name, { words, index: ++this.index })
    return { text, index: this.#healthSeen.get(name)?.index ?? null }
  }

  #health(name: string): unknown[] {
    return [...this.nodes].flatMap(([node, { serfHealth, services }]) =>
      [...services]
        .filter(([, service]) => service.name === name)
        .map(([ID, { status }]) => ({
          Node: { Node: node },
          Service: { ID, Service: name },
          Checks: [
            { CheckID: 'serfHealth', Status: serfHealth },
            { CheckID: `${ID}-guard`, Status: status },
          ],
        })),
    )
  }

  #checksOf(node: string): unknown[] {
    const known = this.nodes.get(node)
    const ModifyIndex = this.#serfIndex.get(node) ?? 1
    return known ? [{ Node: node, CheckID: 'serfHealth', Status: known.serfHealth, ModifyIndex }] : []
  }

  #failed(): unknown[] {
    return [...this.nodes].flatMap(([node, { serfHealth }]) => (serfHealth === 'critical' ? this.#checksOf(node) : []))
  }

  /** Serf's numbers: 1 is alive, 4 failed. */
  #gossip(): unknown[] {
    return [...this.nodes].map(([Name, { serfHealth }]) => ({ Name, Status: serfHealth === 'passing' ? 1 : 4 }))
  }

  #deregister(node: string, id: string): Reply {
    this.nodes.get(node)?.services.delete(id)
    this.destroyOf(node, `watchbill ${node}:${id}`)
    return { text: '' }
  }
}

function partsOf(path: string): [route: string, words: string[], query: URLSearchParams] {
  const [address = '', query = ''] = path.split('?')
  const [, , route = '', ...words] = address.split('/').map(decodeURIComponent)
  return [route, words, new URLSearchParams(query)]
}
