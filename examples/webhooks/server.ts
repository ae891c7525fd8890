/** The world as one HTTP server: the API with its subscriptions, events and cursors, and the endpoints of all subscribers. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import type { Asker, Event, World } from './world.ts'

export interface WorldServer {
  /** http://127.0.0.1:port */
  readonly url: string
  readonly stop: () => Promise<void>
}

export async function serve(world: World): Promise<WorldServer> {
  const server: Server = createServer((request, response) => {
    respond(world, request, response).catch(error => send(response, 400, { error: String(error) }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const stop = async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, stop }
}

/** How long it waits for the first event before it answers that there is none, ms. */
const poll = 5000
/** How long an endpoint takes, ms. */
const handling = 10

async function respond(world: World, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://world')
  const [, what = '', id = ''] = pathname.split('/')
  switch (`${request.method} ${what}`) {
    case 'GET subscriptions':
      return list(world, request, response)
    case 'POST subscriptions': {
      const { id, url } = await contentOf<{ id: string; url: string }>(request)
      world.add(id, url)
      return send(response, 201, { id, url })
    }
    case 'PATCH subscriptions':
      world.change(id, (await contentOf<{ url: string }>(request)).url)
      return send(response, 200, {})
    case 'DELETE subscriptions':
      world.remove(id)
      return send(response, 200, {})
    case 'GET events': {
      const [subscription, after] = [searchParams.get('subscription') ?? '', Number(searchParams.get('after'))]
      return send(response, 200, { events: await events(world, subscription, after) })
    }
    case 'PUT cursor': {
      const { cursor } = await contentOf<{ cursor?: number }>(request)
      const moved = world.move(id, askerOf(request), cursor)
      return moved ? send(response, 200, moved) : send(response, 409, { error: 'a newer owner has been here' })
    }
    case 'POST hook':
      return hook(world, pathname, request, response)
    default:
      return send(response, 404, { error: `no ${request.method} ${pathname}` })
  }
}

/** What watchbill fetches. */
function list(world: World, request: IncomingMessage, response: ServerResponse): void {
  const text = JSON.stringify({ data: world.listed() })
  const etag = `"${createHash('sha256').update(text).digest('hex').slice(0, 16)}"`
  if (world.failing) send(response, 500, { error: 'the database is away' })
  else if (request.headers['if-none-match'] === etag) response.writeHead(304, { etag }).end()
  else response.writeHead(200, { 'content-type': 'application/json', etag }).end(text)
}

async function events(world: World, subscription: string, after: number): Promise<Event[]> {
  const there = world.after(subscription, after)
  if (there.length > 0) return there
  await once(world, subscription, { signal: AbortSignal.timeout(poll) }).catch(() => {})
  return world.after(subscription, after)
}

async function hook(world: World, path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const event = await contentOf<Event>(request)
  if (!world.receive(path, event, askerOf(request))) return send(response, 503, { error: 'busy' })
  if (world.unanswered === event.subscription) {
    world.unanswered = null
    return
  }
  await pause(handling)
  send(response, 200, {})
}

/** Only for the record, but for the token. */
function askerOf({ headers }: IncomingMessage): Asker {
  return { instance: String(headers.instance), pid: Number(headers.pid), token: String(headers.token) }
}

async function contentOf<T>(request: IncomingMessage): Promise<T> {
  return (await json(request)) as T
}

function send(response: ServerResponse, status: number, content: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(content))
}
