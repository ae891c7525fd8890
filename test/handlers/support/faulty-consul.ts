/** Stands between handlers and a real agent, and behaves as badly as it is told to. */
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** What a request gets instead of Consul's answer. */
export const faults = {
  'answers 500': response => reply(response, 500, 'text/plain', 'No cluster leader'),
  'answers 429': response => reply(response, 429, 'text/plain', 'Your IP is issuing too many concurrent connections'),
  'denies it': response => reply(response, 403, 'text/plain', 'Permission denied'),
  'answers HTML with 200': response => reply(response, 200, 'text/html', '<html><h1>Welcome</h1></html>'),
  'answers 200 without a body': response => reply(response, 200, 'application/json', ''),
  'answers null': response => reply(response, 200, 'application/json', 'null'),
  'answers {}': response => reply(response, 200, 'application/json', '{}'),
  'answers [] without an index': response => reply(response, 200, 'application/json', '[]'),
  'answers half a JSON': response => reply(response, 200, 'application/json', '[{"Key": "watch'),
  'answers 404 without an index': response => reply(response, 404, 'text/plain', 'not found'),
  'sends the client elsewhere': response => {
    response.setHeader('location', 'http://127.0.0.1:1/')
    reply(response, 301, 'text/html', '')
  },
  'hangs up': response => response.socket?.destroy(),
  'hangs up in the middle': response => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
    response.write('[', () => response.socket?.destroy())
  },
  'never answers': () => {},
} satisfies Record<string, (response: ServerResponse) => unknown>

export type Fault = keyof typeof faults

function reply(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type }).end(body)
}

/** One request, as it went through. Times are of performance.now(). */
export interface Passed {
  readonly method: string
  readonly path: string
  /** Which connection it came on; a program has one. */
  readonly connection: number
  readonly from: number
  to: number
}

export class FaultyConsul {
  readonly #server: Server
  readonly #upstream: URL
  readonly #connections = new Map<Socket, number>()
  readonly passed: Passed[] = []
  /** What goes wrong, asked for each request; null lets it pass. */
  fault: (request: Passed) => Fault | null = () => null
  /** What each request waits for before it is passed on. */
  hold: (request: Passed) => Promise<unknown> = async () => {}

  constructor(upstream: string) {
    this.#upstream = new URL(upstream)
    this.#server = createServer((incoming, response) => this.#take(incoming, response))
  }

  /** @param upstream the agent's address */
  static async start(upstream: string): Promise<FaultyConsul> {
    const proxy = new FaultyConsul(upstream)
    await new Promise<void>(resolve => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  get http(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  #take(incoming: IncomingMessage, response: ServerResponse): void {
    const from = performance.now()
    const connection = this.#connectionOf(incoming.socket)
    const passing = { method: incoming.method ?? '', path: incoming.url ?? '', connection, from, to: from }
    this.passed.push(passing)
    response.once('close', () => {
      passing.to = performance.now()
    })
    const fault = this.fault(passing)
    if (fault === null) this.hold(passing).then(() => this.#forward(incoming, response))
    else incoming.resume().once('end', () => faults[fault](response))
  }

  #forward(incoming: IncomingMessage, response: ServerResponse): void {
    const { method, url, headers } = incoming
    const forwarded = request(new URL(url ?? '', this.#upstream), { method, headers, agent: false }, answer => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    forwarded.once('error', () => response.socket?.destroy())
    incoming.pipe(forwarded)
  }

  #connectionOf(socket: Socket): number {
    const known = this.#connections.get(socket)
    if (known !== undefined) return known
    this.#connections.set(socket, this.#connections.size)
    return this.#connections.size - 1
  }
}
