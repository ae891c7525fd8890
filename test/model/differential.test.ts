/**
 * Compares the model with a real Consul: the same random requests must get the same answers. Session ids and indexes
 * have other values there; they must be equal or ordered in the same way on both sides.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { Client } from 'undici'
import type { RawEntry } from '../../lib/consul/kv.ts'
import type { Operation } from '../../lib/consul/operation.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { ConsulModel, requestOf } from './consul.ts'
import { runs } from './runs.ts'
import { behaviourOf } from './versions.ts'

let client: Client

const names = ['k', 'k/a', 'k/ab', 'l']
const name = fc.constantFrom(...names)
const value = fc.constantFrom('1', '2', '')
/** One of the two sessions; the third one never existed. */
const session = fc.nat(2)
/** The key's present index, the one before its last change, or none. */
const index = fc.constantFrom('present', 'past', 'none' as const)

type Index = 'present' | 'past' | 'none'
type Draft = { verb: Operation['Verb']; key: string; value: string; session: number; index: Index }
type Command =
  | { do: 'transaction'; operations: Draft[] }
  | { do: 'put' | 'delete' | 'keys' | 'entry' | 'tree'; key: string; value: string }
  | { do: 'destroy' | 'create' | 'renew' | 'info' | 'sessions'; session: number }

const verbs: Operation['Verb'][] = [
  ...(['set', 'cas', 'lock', 'lock', 'unlock', 'unlock', 'get', 'get-tree', 'check-index'] as const),
  ...(['check-session', 'check-not-exists', 'delete', 'delete-cas'] as const),
]
const draft = fc.record({ verb: fc.constantFrom(...verbs), key: name, value, session, index })
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('transaction' as const),
      operations: fc.array(draft, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('put', 'put', 'delete', 'keys', 'entry', 'tree' as const),
      key: name,
      value,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('destroy', 'create', 'renew', 'info', 'sessions' as const), session }),
  },
)

interface Answer {
  readonly status: number
  readonly hasIndex: boolean
  readonly text: unknown
}

/** One of the two Consuls, with the names that its session ids and indexes have in this test. */
class Side {
  readonly ask: (method: 'GET' | 'PUT' | 'DELETE', path: string, body?: string) => Promise<Answer>
  readonly sessions = ['', '', '00000000-0000-0000-0000-000000000000']
  /** Per key: the index of its last change and of the change before. */
  readonly #indexes = new Map<string, { present: number; past: number }>()
  readonly #root: string
  /** Every session id so far, in order of creation. */
  readonly #known: string[] = []

  constructor(root: string, ask: Side['ask']) {
    this.#root = root
    this.ask = ask
  }

  async run(command: Command): Promise<Answer> {
    const answer = await this.#send(command)
    await this.#note()
    return answer
  }

  async create(which: number): Promise<Answer> {
    const body = JSON.stringify({ Name: `s${which}`, LockDelay: '0s', Behavior: 'release', TTL: '3600s' })
    const answer = await this.ask('PUT', '/v1/session/create', body)
    this.sessions[which] = (answer.text as { ID: string }).ID
    this.#known.push(this.sessions[which])
    return answer
  }

  #send(command: Command): Promise<Answer> {
    if (command.do === 'transaction') {
      const operations = command.operations.map(one => ({ KV: this.#operation(one) }))
      return this.ask('PUT', '/v1/txn', JSON.stringify(operations))
    }
    if ('key' in command) return this.#sendKey(command.do, `/v1/kv/${this.#root}${command.key}`, command.value)
    const id = this.sessions[command.session] ?? ''
    if (command.do === 'create') return this.create(command.session % 2)
    if (command.do === 'sessions') return this.ask('GET', '/v1/session/node/s1?consistent')
    return this.ask(command.do === 'info' ? 'GET' : 'PUT', `/v1/session/${command.do}/${id}`)
  }

  #sendKey(what: string, path: string, value: string): Promise<Answer> {
    if (what === 'put') return this.ask('PUT', path, value)
    if (what === 'delete') return this.ask('DELETE', path)
    return this.ask('GET', { keys: `${path}?keys&consistent`, tree: `${path}?recurse` }[what] ?? path)
  }

  #operation({ verb, key, value, session, index }: Draft): Operation {
    const Key = this.#root + key
    const takesSession = ['lock', 'unlock', 'check-session'].includes(verb)
    const takesValue = ['set', 'cas', 'lock', 'unlock'].includes(verb)
    const known = this.#indexes.get(Key)
    return {
      Verb: verb,
      Key,
      ...(takesValue ? { Value: Buffer.from(value).toString('base64') } : {}),
      ...(takesSession ? { Session: this.sessions[session] as string } : {}),
      ...(/cas|index/.test(verb) ? { Index: index === 'none' ? 0 : (known?.[index] ?? 1) } : {}),
    }
  }

  /** Gives a value that differs between the two sides a name that is the same on both. */
  nameOf(found: unknown): unknown {
    const at = typeof found === 'string' ? this.#known.indexOf(found) : -1
    return at < 0 ? found : `session ${at}`
  }

  async entries(): Promise<RawEntry[]> {
    const { status, text } = await this.ask('GET', `/v1/kv/${this.#root}?recurse&consistent`)
    return status === 404 ? [] : (text as RawEntry[])
  }

  async #note(): Promise<void> {
    for (const { Key, ModifyIndex } of await this.entries()) {
      const known = this.#indexes.get(Key)
      if (known?.present !== ModifyIndex) this.#indexes.set(Key, { present: ModifyIndex, past: known?.present ?? 1 })
    }
  }
}

/** Maps the indexes of one side to those of the other, and checks that the order is the same. */
class SameOrder {
  readonly #pairs = new Map<number, number>([[0, 0]])

  check(real: number, model: number): void {
    const known = this.#pairs.get(real)
    if (known !== undefined) assert.equal(model, known, 'one index there has two values here')
    for (const [a, b] of this.#pairs)
      assert.equal(Math.sign(a - real), Math.sign(b - model), 'the indexes are in another order')
    this.#pairs.set(real, model)
  }
}

/** Fields of answers that watchbill does not read. */
const unread =
  /^(ConsistencyLevel|Index|KnownLeader|LastContact|Flags|Checks|NodeChecks|ServiceChecks|LockDelay|Behavior|TTL|Node)$/

/** The answer without values that differ between the two sides. */
function compared({ status, hasIndex, text }: Answer, side: Side): unknown {
  const readable = JSON.stringify(text, (field, found: unknown) => {
    if (/^(Create|Modify)Index$|^What$/.test(field)) return undefined
    return unread.test(field) ? undefined : side.nameOf(found)
  })
  return { status, hasIndex, text: status >= 400 && status !== 409 ? '' : sorted(readable) }
}

/** Sessions are listed in the order of their ids. */
function sorted(text: string | undefined): unknown {
  const value: unknown = text === undefined ? null : JSON.parse(text)
  const named = Array.isArray(value) && value.every(one => typeof one === 'object' && 'Name' in one)
  return named ? value.map(one => JSON.stringify(one)).sort() : value
}

function indexesIn(answer: Answer): number[] {
  const found: number[] = []
  JSON.stringify(answer.text, (field, value: unknown) => {
    if (/^(Create|Modify)Index$/.test(field) && typeof value === 'number') found.push(value)
    return value
  })
  return found
}

let nth = 0

describe('the model of Consul', { concurrency: 1 }, () => {
  const cluster = sharedCluster({ servers: 1, clients: 0 })
  before(() => {
    client = new Client(cluster().agent('s1').http)
  })
  after(() => client?.destroy())

  it('answers the same requests like a real Consul', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 25 }), async commands => {
        const root = `differential-${nth++}/`
        const model = new ConsulModel()
        const real = new Side(root, askReal)
        const fake = new Side(root, async (method, path, body = '') => {
          const { status = 200, text = '', index } = model.answer(requestOf(method, path, body, 's1'))
          return { status, text: structuredClone(text), hasIndex: method === 'GET' && index !== null }
        })
        for (const which of [0, 1]) for (const side of [real, fake]) await side.create(which)
        const order = new SameOrder()
        for (const command of commands) {
          if (command.do === 'sessions' && nth > 1) continue // those of earlier runs are listed too
          const [there, here] = [await real.run(command), await fake.run(command)]
          if (command.do === 'create') continue
          assert.deepEqual(compared(here, fake), compared(there, real), `after ${JSON.stringify(command)}`)
          const state = { status: 0, hasIndex: true }
          const entries = [
            { ...state, text: await real.entries() },
            { ...state, text: await fake.entries() },
          ] as const
          assert.deepEqual(compared(entries[1], fake), compared(entries[0], real), `left by ${JSON.stringify(command)}`)
          const [a, b] = [indexesIn(entries[0]), indexesIn(entries[1])]
          for (const [at, index] of a.entries()) order.check(index, b[at] as number)
        }
        for (const id of real.sessions.slice(0, 2)) await real.ask('PUT', `/v1/session/destroy/${id}`)
      }),
      runs(60),
    )
  })

  it('refuses one operation too many, and the keys that its version refuses, as a real Consul does', async () => {
    const self = await askReal('GET', '/v1/agent/self')
    const model = new ConsulModel()
    model.behaves = behaviourOf((self.text as { Config: { Version: string } }).Config.Version)
    const set = (Key: string) => ({ KV: { Verb: 'set', Key, Value: '' } })
    const many = (count: number) => Array.from({ length: count }, (_, n) => set(`many/${n}`))
    const all = [64, 128, 129].map(many)
    for (const key of ['a%20b', 'a%2Fb', 'a%2Fx..z', '%2E.', 'x..z', 'a/%', 'ü:b', '~']) all.push([set(`odd/${key}`)])
    for (const operations of all) {
      const body = JSON.stringify(operations)
      const [there, here] = [await askReal('PUT', '/v1/txn', body), model.answer(requestOf('PUT', '/v1/txn', body))]
      assert.equal(here.status ?? 200, there.status, body.slice(0, 80))
    }
  })
})

async function askReal(method: 'GET' | 'PUT' | 'DELETE', path: string, body?: string): Promise<Answer> {
  const response = await client.request({ method, path, ...(body === undefined ? {} : { body }) })
  const text = await response.body.text()
  const isJson = String(response.headers['content-type']).startsWith('application/json')
  return {
    status: response.statusCode,
    text: isJson ? JSON.parse(text) : text,
    hasIndex: 'x-consul-index' in response.headers,
  }
}
