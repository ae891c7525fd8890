/** A small Redis client on a unix socket: RESP2, pipelined. */
import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'

export type Reply = string | number | null | Reply[]

/** Redis answered with an error. */
export class RedisError extends Error {
  override name = 'RedisError'
}

type Parsed = { value: Reply | RedisError; next: number }
type Waiting = { resolve: (reply: Reply) => void; reject: (error: Error) => void }

export class Redis {
  #socket: Socket
  #waiting: Waiting[] = []
  #unread: Buffer = Buffer.alloc(0)

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', data => this.#take(data))
    socket.on('error', () => {}) // 'close' follows
    socket.on('close', () => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error('Redis is gone'))
    })
  }

  static async connect(path: string): Promise<Redis> {
    const socket = createConnection(path)
    await once(socket, 'connect')
    return new Redis(socket)
  }

  /** Sends one command. Several may be under way; Redis answers in their order. @throws RedisError */
  send(...words: (string | number)[]): Promise<Reply> {
    const parts = words.map(word => `$${Buffer.byteLength(String(word))}\r\n${word}\r\n`)
    return new Promise((resolve, reject) => {
      if (this.#socket.closed || this.#socket.destroyed) return reject(new Error('Redis is gone'))
      this.#waiting.push({ resolve, reject })
      this.#socket.write(`*${parts.length}\r\n${parts.join('')}`)
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(data: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, data])
    for (let parsed = parse(this.#unread, 0); parsed; parsed = parse(this.#unread, 0)) {
      this.#unread = this.#unread.subarray(parsed.next)
      const { value } = parsed
      const { resolve, reject } = this.#waiting.shift() as Waiting
      if (value instanceof RedisError) reject(value)
      else resolve(value)
    }
  }
}

/** One reply from `at` on; null while it is not complete. */
function parse(buffer: Buffer, at: number): Parsed | null {
  const end = buffer.indexOf('\r\n', at)
  if (end < 0) return null
  const rest = buffer.toString('utf8', at + 1, end)
  const next = end + 2
  switch (buffer.toString('latin1', at, at + 1)) {
    case '-':
      return { value: new RedisError(rest), next }
    case ':':
      return { value: Number(rest), next }
    case '$':
      return parseText(buffer, next, Number(rest))
    case '*':
      return parseList(buffer, next, Number(rest))
    default:
      return { value: rest, next }
  }
}

function parseText(buffer: Buffer, at: number, length: number): Parsed | null {
  if (length < 0) return { value: null, next: at }
  const next = at + length + 2
  return next > buffer.length ? null : { value: buffer.toString('utf8', at, at + length), next }
}

function parseList(buffer: Buffer, at: number, length: number): Parsed | null {
  if (length < 0) return { value: null, next: at }
  const list: Reply[] = []
  let next = at
  for (let i = 0; i < length; i++) {
    const parsed = parse(buffer, next)
    if (!parsed) return null
    if (parsed.value instanceof RedisError) throw parsed.value // no command that is used here answers so
    list.push(parsed.value)
    next = parsed.next
  }
  return { value: list, next }
}
