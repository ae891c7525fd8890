/** A proxy before an agent that counts what is asked of it, and what that is answered. */
import { createServer, request, Agent as Sockets } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Traffic {
  readonly requests: number
  /** Of the answers, with their headers. */
  readonly bytes: number
}

export interface Counted {
  readonly url: string
  /** All so far. */
  readonly now: () => Traffic
  readonly close: () => void
}

export async function counted(target: string): Promise<Counted> {
  const { hostname, port } = new URL(target)
  const agent = new Sockets({ keepAlive: true })
  let [requests, bytes] = [0, 0]
  const server = createServer((asked, answer) => {
    requests++
    const { method, url: path, headers } = asked
    const passed = request({ hostname, port, method, path, headers, agent }, response => {
      bytes += Buffer.byteLength(response.rawHeaders.join('    ')) + 20
      answer.writeHead(response.statusCode as number, response.rawHeaders)
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      response.pipe(answer)
    })
    passed.on('error', () => answer.destroy())
    asked.pipe(passed)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    now: () => ({ requests, bytes }),
    close: () => {
      server.closeAllConnections()
      server.close()
      agent.destroy()
    },
  }
}

export function since(before: Traffic, after: Traffic): Traffic {
  return { requests: after.requests - before.requests, bytes: after.bytes - before.bytes }
}
