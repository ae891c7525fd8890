/** One connection to Consul's HTTP API. Every request has a time limit: a cut-off agent hangs for half a minute. */
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http'
import { countAnswer, countCharacters } from '../base/asked.ts'
import { steadyClock } from '../base/clock.ts'
import { reason, Temporary } from '../base/errors.ts'
import { parse } from '../base/json.ts'
import { type Address, addressFrom } from './address.ts'
import { Denied, permissionFor, Refused } from './permission.ts'
import { isHttpToTls, speaksTls, tooMany, type Unreachable, unreachable } from './unreachable.ts'

export interface Answer {
  readonly status: number
  readonly text: string
  /** X-Consul-Index; null when the answer does not come from Consul's data but from a proxy or an error page. */
  readonly index: string | null
}

export interface Request {
  readonly body?: string
  /** Statuses that are answers rather than failures; 200 when left out. */
  readonly ok?: readonly number[]
  /** The node or service that the request is about, to name the missing permission. */
  readonly on?: string
  /** Whether the request may safely be done twice; true for a GET by default. */
  readonly repeatable?: boolean
  /** The answer is large: it may come compressed, which a small one is not worth. */
  readonly large?: boolean
  /** Begins anew with every answer: is given its text so far, as it comes, and gives back what is left to be read. */
  readonly reader?: () => (text: string) => string
}

type Content = { readonly [Part in 'body' | 'reader' | 'large']: Request[Part] | undefined } & {
  /** Resolves without an answer, once the request is sent. */
  readonly unanswered?: true
}

const noContent: Content = { body: undefined, reader: undefined, large: undefined }
const noAnswer: Answer = { status: 0, text: '', index: null }

type Method = 'GET' | 'PUT' | 'POST' | 'DELETE'

export interface ConsulOptions {
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Time limit of one request in ms; 5000 when left out. */
  readonly limit?: number
  /** Called for every request and answer; never with a token. */
  readonly debug?: (line: string) => void
  /** After how many ms without a request the connection is closed; a minute when left out. */
  readonly idle?: number
  /** Who makes the changes, for the record of events; left out where there is no record: see keys/asked.ts. */
  readonly by?: () => Promise<string>
}

/**
 * Newer agents close a connection after 120 s without a request (http_config), possibly while a request is being sent.
 */
const longestIdle = 60_000
/** Far more than any service needs; Node cannot make a string of twice as much. */
const mostBytes = 256 * 1024 * 1024

const unknownFate = 'nobody knows whether it was done'
const lookFirst = 'look, then try again'

/** The agent closed a connection that had worked before: it was idle for too long, or the agent ended. */
class ClosedAtReuse extends Temporary {}

export class Consul {
  #address: Address
  #agent: Agent
  readonly #request: typeof request
  readonly #options: ConsulOptions
  readonly #limit: number
  readonly #debug: ((line: string) => void) | undefined

  /** @param address parsed from `options.env` when left out */
  constructor(options: ConsulOptions = {}, address = addressFrom(options.env ?? process.env)) {
    this.#address = address
    this.#options = options
    this.#limit = options.limit ?? 5000
    this.#debug = options.debug
    this.#request = secureModule(address)?.request ?? request
    this.#agent = agentFor(address, options.idle)
  }

  get address(): Address {
    return this.#address
  }

  get by(): ConsulOptions['by'] {
    return this.#options.by
  }

  /**
   * @param path with its query, already encoded
   * @throws Temporary when Consul does not answer in time, or with a status that is not in `ok`; Permanent for 403.
   */
  async request(method: Method, path: string, request: Request = {}): Promise<Answer> {
    const { body, ok = [200], on, repeatable = method === 'GET', reader, large } = request
    const begun = steadyClock()
    const answer = await this.#sendTwice(method, path, { body, reader, large }, repeatable)
    countAnswer(steadyClock() - begun)
    this.#debug?.(this.#hidden(`${method} ${path} ${body ?? ''} -> ${answer.status} ${answer.text.slice(0, 2000)}`))
    if (ok.includes(answer.status)) return answer
    if (isHttpToTls(answer.status, answer.text)) throw this.#unreached(speaksTls(this.#address))
    if (answer.status === 403) throw refusal(`${method} ${path}`, answer.text, permissionFor(method, path, on))
    const said = this.#hidden(`${answer.status} ${answer.text.replace(/\s+/g, ' ').slice(0, 200)}`.trim())
    const todo = answer.status === 429 && /connections/.test(said) ? tooMany : 'it is tried again'
    throw new Temporary(`cannot ${method} ${path}: Consul answered ${said}; ${todo}`)
  }

  /** Like `request`, with the answer parsed. @throws Temporary when it is not JSON. */
  async json<T>(method: Method, path: string, request?: Request): Promise<T> {
    return parse(path, (await this.request(method, path, request)).text)
  }

  /**
   * Sends a request and waits only until the system has taken all of it. Consul carries it out, unless its agent ends just
   * now, or refuses it.
   */
  async tell(method: Method, path: string): Promise<void> {
    this.#debug?.(this.#hidden(`${method} ${path} -> nobody waits for the answer`))
    await this.#send(method, path, { ...noContent, unanswered: true }, this.#limit)
  }

  /** Another connection to the same Consul, with a time limit of its own. The caller closes it. */
  another(limit: number): Consul {
    return new Consul({ ...this.#options, limit }, this.#address)
  }

  /** Closes the connection; the next request opens another. */
  close(): void {
    this.#agent.destroy() // no caller waits for a request any more
  }

  /**
   * Sends a refused request again when the token or certificate has changed. Consul did not carry out a refused
   * request. It may have carried out a request whose connection was cut: that one is sent again only when it is
   * repeatable. A lock acquired twice would be refused the second time, and seem to be held by another.
   */
  async #sendTwice(method: Method, path: string, content: Content, repeatable: boolean): Promise<Answer> {
    const begun = steadyClock()
    let limit = this.#limit
    try {
      const answer = await this.#send(method, path, content, limit)
      if (answer.status !== 403 || !this.#reread()) return answer
    } catch (error) {
      if (secureModule(this.#address)) this.#reread()
      if (!(error instanceof ClosedAtReuse && repeatable)) throw error
      limit -= steadyClock() - begun
    }
    return this.#send(method, path, content, limit)
  }

  /**
   * Reads the token and certificates again: their files may have been replaced.
   * @returns whether they changed; the new ones are used from now on
   * @throws Temporary when a file cannot be read: it may be being replaced right now
   */
  #reread(): boolean {
    const { token, tls } = this.#address
    try {
      this.#address = addressFrom(this.#options.env ?? process.env)
    } catch (error) {
      throw new Temporary(`cannot read the token or certificates again, which Consul refuses: ${reason(error)}`)
    }
    if (JSON.stringify(tls) !== JSON.stringify(this.#address.tls)) {
      this.close()
      this.#agent = agentFor(this.#address, this.#options.idle)
      return true
    }
    return token !== this.#address.token
  }

  #send(method: Method, path: string, { body, reader, large, unanswered }: Content, limit: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = new URL(this.#address.origin)
      const socketPath = this.#address.socketPath ?? undefined
      const host = hostname.replace(/^\[|\]$/g, '') // an IPv6 address
      const options = { method, path, host, port, socketPath, headers: this.#headers(large), agent: this.#agent }
      const refuse = (what: Unreachable, Kind = Temporary) => reject(this.#unreached(what, Kind))
      let sent: ClientRequest
      try {
        sent = this.#request(options)
      } catch (error) {
        return refuse(unreachable(error, this.#address)) // such as an invalid TLS key
      }
      const failFor = (what: Unreachable, Kind?: typeof Temporary) => {
        clearTimeout(timer)
        refuse(what, Kind)
        sent.destroy()
      }
      const fail = (why: string) => failFor({ why, todo: 'is it up?' })
      const timer = setTimeout(() => fail(`no answer within ${this.#limit} ms`), limit)
      sent.on('error', error => {
        const { code } = error as NodeJS.ErrnoException
        const closed = code === 'ECONNRESET' || code === 'EPIPE'
        if (!closed || !sent.reusedSocket) return failFor(unreachable(error, this.#address))
        failFor({ why: `${reason(error)}, and ${unknownFate}`, todo: lookFirst }, ClosedAtReuse)
      })
      if (unanswered) {
        sent.on('finish', () => {
          clearTimeout(timer)
          resolve(noAnswer)
        })
      }
      sent.on('response', response => {
        const { statusCode: status = 0, headers } = response
        const index = headers['x-consul-index']
        const read = reader?.()
        let [text, size] = ['', 0]
        const content = headers['content-encoding'] === 'gzip' ? unzipped(response) : response
        content.setEncoding('utf8') // as it comes: of a large answer there are never bytes and text at once
        content.on('data', (chunk: string) => {
          text += chunk
          size += chunk.length
          if (size > mostBytes) fail('an answer of more than 256 MiB')
          else if (read) text = read(text)
        })
        for (const stream of new Set([response, content])) stream.on('error', error => fail(reason(error)))
        content.on('end', () => {
          clearTimeout(timer)
          countCharacters(size)
          resolve({ status, index: typeof index === 'string' ? index : null, text })
        })
      })
      sent.end(body)
    })
  }

  #headers(large = false): Record<string, string> {
    const { token, auth } = this.#address
    return {
      ...(large && { 'accept-encoding': 'gzip' }),
      ...(token !== null && { 'x-consul-token': token }),
      ...(auth !== null && { authorization: auth }),
    }
  }

  #unreached({ why, todo }: Unreachable, Kind = Temporary): Temporary {
    return new Kind(`cannot reach Consul at ${this.#where()}: ${why}; ${todo}`)
  }

  #where(): string {
    return this.#address.socketPath ?? this.#address.origin
  }

  /** Removes the token from an answer, which may come from Consul or from any other server. */
  #hidden(text: string): string {
    const { token } = this.#address
    return token === null ? text : text.replaceAll(token, '<the token>')
  }
}

/**
 * Node's own module, not a package: it is compiled into Node, and loading any package takes as long as Node's start.
 */
function secureModule({ origin }: Address) {
  return origin.startsWith('https:') ? process.getBuiltinModule('node:https') : null
}

function unzipped(response: IncomingMessage) {
  return response.pipe(process.getBuiltinModule('node:zlib').createGunzip())
}

/** @param idle Node closes a connection that is idle for longer; it does not limit the time of a request */
function agentFor(address: Address, idle = longestIdle): Agent {
  return new (secureModule(address)?.Agent ?? Agent)({ keepAlive: true, maxSockets: 1, timeout: idle, ...address.tls })
}

/** Consul also answers 403 to a token that it does not know ("ACL not found", seen on 1.8.7). */
function refusal(act: string, said: string, missing: string): Refused {
  if (!/ACL not found/i.test(said)) return new Denied(act, missing)
  return new Refused(
    `cannot ${act}: Consul does not know the token: it was deleted, or has expired; put a new one where it was read from: --token-file, CONSUL_HTTP_TOKEN or CONSUL_HTTP_TOKEN_FILE`,
  )
}
