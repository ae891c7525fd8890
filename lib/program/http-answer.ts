/** One HTTP request on stdin and its answer, for a program that systemd starts for each connection. */
import { reason } from '../base/errors.ts'

export interface Asked {
  readonly method: string
  readonly path: string
  readonly accept: string
}

/** The most bytes of a request, and how long it may take to come, ms. */
const most = 16_384
const patience = 5000

/** Null when it is none, or does not come in time. */
export async function readRequest(stream: NodeJS.ReadableStream = process.stdin): Promise<Asked | null> {
  let text = ''
  const timer = setTimeout(() => stream.removeAllListeners('data').pause().emit('end'), patience)
  await new Promise<void>(resolve => {
    stream.on('data', chunk => {
      text += chunk
      if (text.length <= most && !/\r?\n\r?\n/.test(text)) return
      resolve()
    })
    for (const event of ['end', 'error', 'close']) stream.on(event, () => resolve())
  })
  clearTimeout(timer)
  stream.pause()
  const [, method, path] = /^([A-Z]+) (\S+) HTTP\/1\.[01]\r?\n/.exec(text) ?? []
  if (method === undefined || path === undefined || text.length > most) return null
  return { method, path, accept: /^accept:(.*)$/im.exec(text)?.[1]?.trim() ?? '' }
}

/** @param body is made only for a request that asks for it; its failure is an answer too */
export function answerTo(asked: Asked | null, type: string, body: () => string): Buffer {
  if (asked === null) return answer('400 Bad Request', 'text/plain', 'this is no HTTP request\n')
  if (!['GET', 'HEAD'].includes(asked.method)) return answer('405 Method Not Allowed', 'text/plain', 'GET only\n')
  if (!['/', '/metrics'].includes(asked.path.replace(/\?.*$/, '')))
    return answer('404 Not Found', 'text/plain', 'the metrics are at /metrics\n')
  try {
    return answer('200 OK', type, body(), asked.method === 'HEAD')
  } catch (error) {
    return answer('503 Service Unavailable', 'text/plain', `${reason(error)}\n`)
  }
}

function answer(status: string, type: string, body: string, headOnly = false): Buffer {
  const bytes = Buffer.from(body)
  const head = [`HTTP/1.1 ${status}`, `Content-Type: ${type}`, `Content-Length: ${bytes.length}`, 'Connection: close']
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), headOnly ? Buffer.alloc(0) : bytes])
}
