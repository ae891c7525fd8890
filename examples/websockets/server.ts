/**
 * A websocket server that writes down who had which link open, and from when to when. It is the only one that knows, and
 * what the verdict believes; so it turns nobody away. (One of yours refuses a lower token than it has seen for a link.)
 */
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'

export interface Connection {
  readonly link: string
  readonly instance: string
  readonly pid: number
  readonly token: string
  /** The server's clock, ms. */
  readonly opened: number
  /** When the server saw its end; null as long as it has not. */
  closed: number | null
}

/** "Service restart": whoever gets it is to come back. */
const comeBack = 1012

export class LinkServer {
  /** Every connection that there ever was, in the order in which they were opened. */
  readonly record: Connection[] = []
  readonly #sockets = new Map<Connection, WebSocket>()
  readonly #server: WebSocketServer

  /** On a free port of loopback. */
  static async listen(): Promise<LinkServer> {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0, backlog: 4096 })
    await once(server, 'listening')
    return new LinkServer(server)
  }

  constructor(server: WebSocketServer) {
    this.#server = server
    server.on('connection', (socket, request) => this.#connected(socket, request))
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  now(): number {
    return performance.now()
  }

  /** Those that are open. */
  open(): Connection[] {
    return [...this.#sockets.keys()]
  }

  /** Closes them, as a server does that is restarted. */
  drop(connections: readonly Connection[]): void {
    for (const connection of connections) this.#sockets.get(connection)?.close(comeBack)
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets.values()) socket.terminate()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #connected(socket: WebSocket, { url = '' }: IncomingMessage): void {
    const connection = { ...introduction(url), opened: this.now(), closed: null as number | null }
    this.record.push(connection)
    this.#sockets.set(connection, socket)
    // One that is reset closes as well.
    socket.on('error', () => {})
    socket.on('close', () => {
      connection.closed = this.now()
      this.#sockets.delete(connection)
    })
  }
}

/** What the client says of itself: /17?token=4711&instance=a1:links&pid=123 */
function introduction(url: string): Pick<Connection, 'link' | 'instance' | 'pid' | 'token'> {
  const { pathname, searchParams } = new URL(url, 'ws://server')
  const said = (name: string) => searchParams.get(name) ?? ''
  const link = decodeURIComponent(pathname.slice(1))
  return { link, instance: said('instance'), pid: Number(said('pid')), token: said('token') }
}
