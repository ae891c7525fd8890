/** Fetches a set over HTTP. Uses undici, since Node's fetch cannot take a certificate authority of the user's own. */
import { readFile } from 'node:fs/promises'
import { Agent, type Dispatcher, request } from 'undici'
import type { SourceFrom } from '../../definition/definition.ts'
import { type Fetch, type Fetched, late, mostBytes, textFrom } from './kind.ts'

type From = Extract<SourceFrom, { kind: 'http' }>
type Answer = Dispatcher.ResponseData

export const fetchHttp: Fetch<'http'> = async (from, { validator, limit }) => {
  const dispatcher = new Agent({ connect: await tlsOf(from) })
  const signal = AbortSignal.timeout(limit)
  try {
    const headers = { ...(await headersOf(from)), ...conditions(from, validator) }
    const { url, method, body } = from
    const answer = await request(url, { method, headers, body, dispatcher, signal })
    if (answer.statusCode === 304 && validator !== null) return null
    return await read(from, answer)
  } catch (error) {
    throw signal.aborted ? new Error(late(limit)) : spoken(error)
  } finally {
    await dispatcher.destroy()
  }
}

/** When no address of a host name answers, Node's error has a code and an empty message: use the code. */
function spoken(error: unknown): unknown {
  const { message, code } = error as NodeJS.ErrnoException
  return message === '' && code !== undefined ? new Error(code) : error
}

async function tlsOf({ tls: { ca, cert, key, serverName } }: From) {
  const files = Object.entries({ ca, cert, key }).flatMap(([name, file]) => (file === null ? [] : [{ name, file }]))
  const pems = await Promise.all(files.map(async ({ name, file }) => [name, await readFile(file)] as const))
  return { ...Object.fromEntries(pems), ...(serverName === null ? {} : { servername: serverName }) }
}

async function headersOf({ headers }: From): Promise<Record<string, string>> {
  const values = Object.entries(headers).map(async ([name, value]) => {
    return [name, typeof value === 'string' ? value : (await readFile(value.file, 'utf8')).trim()] as const
  })
  return Object.fromEntries(await Promise.all(values))
}

/** Headers of an answer that are sent with the next request, so that the server can answer 304: nothing changed. */
interface Marks {
  readonly etag: string | null
  readonly modified: string | null
}

function conditions({ method }: From, validator: string | null): Record<string, string> {
  if (validator === null || method !== 'GET') return {}
  const { etag, modified } = JSON.parse(validator) as Marks
  return {
    ...(etag === null ? {} : { 'if-none-match': etag }),
    ...(modified === null ? {} : { 'if-modified-since': modified }),
  }
}

async function read({ method }: From, { statusCode, headers, body }: Answer): Promise<Fetched> {
  if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined) {
    throw new Error(`it redirects to another URL (status ${statusCode}); give that URL in the definition`)
  }
  if (statusCode !== 200) throw new Error(`it answered with status ${statusCode}`)
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    size += chunk.length
    if (size > mostBytes) break // textFrom throws for it
  }
  const marks: Marks = { etag: one(headers.etag), modified: one(headers['last-modified']) }
  const has = method === 'GET' && (marks.etag ?? marks.modified) !== null
  return { text: textFrom(Buffer.concat(chunks)), validator: has ? JSON.stringify(marks) : null }
}

function one(header: string | string[] | undefined): string | null {
  return typeof header === 'string' ? header : null
}
