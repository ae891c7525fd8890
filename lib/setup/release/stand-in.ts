/**
 * A minimal Consul for a rehearsal of the programs: it has only the keys that it is given and every session that it is asked
 * for, and answers every check of a lock as expected. No partition is claimed there, so none is started.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

export interface StandIn {
  /** http://127.0.0.1:port */
  readonly address: string
  readonly close: () => void
}

export interface Props {
  /** The answer to /v1/health/service. */
  readonly service: unknown
  /** The one that holds the locks, and its node. */
  readonly session: { readonly ID: string; readonly Node: string }
  /** The entries below each prefix. */
  readonly keys: { readonly [prefix: string]: unknown }
}

export async function standIn(props: Props): Promise<StandIn> {
  const server = createServer(async (request, response) => {
    const answer = answerTo(request.url ?? '', await body(request), props)
    send(response, answer === null ? 404 : 200, answer ?? [])
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return { address: `http://127.0.0.1:${port}`, close: () => server.close() }
}

async function body(request: IncomingMessage): Promise<unknown> {
  const sent = await text(request)
  return sent === '' ? null : JSON.parse(sent)
}

function send(response: ServerResponse, status: number, answer: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'x-consul-index': '1' }).end(JSON.stringify(answer))
}

/** null is Consul's 404: there are no such keys. */
function answerTo(url: string, sent: unknown, { service, session, keys }: Props): unknown {
  if (url.startsWith('/v1/kv/')) return keys[url.replace(/^\/v1\/kv\/|\?.*/g, '')] ?? null
  if (url.startsWith('/v1/health/service/')) return service
  if (url.startsWith('/v1/session/create')) return { ID: session.ID }
  if (url.startsWith('/v1/session/renew/')) return [{ ...session, Name: '' }]
  if (url.startsWith('/v1/txn')) return { Results: results(sent, session.ID), Errors: null }
  return []
}

/** Answers a transaction as if every lock were as the request expects. */
function results(sent: unknown, session: string): unknown[] {
  const operations = (sent as { KV: { Verb: string; Key: string; Index?: number } }[]).map(({ KV }) => KV)
  return operations
    .filter(({ Verb }) => Verb === 'check-index')
    .map(({ Key, Index = 1 }) => ({
      KV: { Key, Value: null, Session: session, CreateIndex: 1, ModifyIndex: Index, LockIndex: 1 },
    }))
}
