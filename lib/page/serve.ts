/** The page on its socket: limits on whoever connects, and the end after nobody has been there for a while. */
import { chmodSync, rmSync, statSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { connect, type Socket } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'
import { Permanent, reason } from '../base/errors.ts'
import { type Doorway, loopbackNames } from './door.ts'
import { type Certificate, type Listen, mustBePrivate } from './listen.ts'

/** A client may take so long for the head of a request, and for all of it; an idle connection is closed, ms. */
const limits = { head: 5000, request: 15_000, idle: 5000, silent: 30_000 }
const mostConnections = 256
const mostHeader = 16_384

export interface Served {
  /** Without the secret. */
  readonly url: string
  readonly doorway: Doorway
  /** Resolves when the idle time is over, or after `stop`; with the reason. */
  readonly over: Promise<'idle' | 'stopped'>
  readonly stop: () => void
}

export interface Serving {
  readonly listen: Listen
  readonly certificate: Certificate | null
  /** More names under which it may be called. */
  readonly names: readonly string[]
  /** ms; null to serve until it is stopped. */
  readonly idle: number | null
  /** @param used to be called whenever somebody is there */
  readonly app: (doorway: () => Doorway, used: () => void) => Hono
}

/** @throws Permanent when it cannot listen there */
export async function serve({ listen, certificate, names, idle, app }: Serving): Promise<Served> {
  let doorway: Doorway = { hosts: [], port: 0, secure: certificate !== null }
  let last = performance.now()
  const used = () => {
    last = performance.now()
  }
  const listener = getRequestListener(app(() => doorway, used).fetch, { overrideGlobalObjects: false })
  const options = { maxHeaderSize: mostHeader, keepAliveTimeout: limits.idle, connectionsCheckingInterval: 1000 }
  const server: Server = certificate
    ? createSecureServer({ ...options, ...certificate, minVersion: 'TLSv1.2' }, listener)
    : createServer(options, listener)
  limit(server)
  await listening(server, listen)
  const { url, ...found } = await addressOf(server, listen, certificate !== null, names)
  doorway = found
  const { promise: over, resolve } = Promise.withResolvers<'idle' | 'stopped'>()
  const end = (why: 'idle' | 'stopped') => {
    clearInterval(timer)
    server.close(() => resolve(why))
    server.closeIdleConnections()
    setTimeout(() => server.closeAllConnections(), why === 'idle' ? 1000 : 100).unref()
    if (listen.kind === 'unix') rmSync(listen.path, { force: true })
  }
  const timer = setInterval(
    () => idle !== null && performance.now() - last > idle && end('idle'),
    Math.min(idle ?? 1000, 1000),
  )
  return { url, doorway, over, stop: () => end('stopped') }
}

function limit(server: Server): void {
  server.headersTimeout = limits.head
  server.requestTimeout = limits.request
  server.timeout = limits.silent
  server.maxConnections = mostConnections
  server.maxRequestsPerSocket = 1000
  server.maxHeadersCount = 100
  server.on('clientError', (_, socket: Socket) => socket.destroy())
}

async function listening(server: Server, listen: Listen): Promise<void> {
  if (listen.kind === 'unix') await removeStale(listen.path)
  // A Unix socket has its permissions from the start: between two calls somebody could connect.
  const mask = listen.kind === 'unix' ? process.umask(0o177) : null
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      if (listen.kind === 'handed') server.listen({ fd: listen.fd }, resolve)
      else if (listen.kind === 'unix') server.listen(listen.path, resolve)
      else server.listen(listen.port, listen.host, resolve)
    })
    if (listen.kind === 'unix') chmodSync(listen.path, 0o600)
  } catch (error) {
    const where =
      listen.kind === 'address'
        ? `${listen.host}:${listen.port}`
        : listen.kind === 'unix'
          ? listen.path
          : 'the socket of systemd'
    throw new Permanent(`cannot listen on ${where}: ${reason(error)}; give another --listen`)
  } finally {
    if (mask !== null) process.umask(mask)
  }
}

/** A socket that nobody listens on any more. Anything else in its place is left alone: listening then fails. */
async function removeStale(path: string): Promise<void> {
  if (!statSync(path, { throwIfNoEntry: false })?.isSocket()) return
  const isAlive = await new Promise<boolean>(resolve => {
    const socket = connect(path, () => resolve(true)).on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
  if (!isAlive) rmSync(path, { force: true })
}

async function addressOf(server: Server, listen: Listen, secure: boolean, names: readonly string[]) {
  const address = server.address()
  const scheme = secure ? 'https' : 'http'
  if (address === null || typeof address === 'string') {
    const path = typeof address === 'string' ? address : ''
    return { url: `unix://${path}`, hosts: [...loopbackNames, ...names], port: null, secure }
  }
  if (!secure) {
    try {
      mustBePrivate(address.address)
    } catch (error) {
      server.close()
      throw error
    }
  }
  const shown = address.family === 'IPv6' ? `[${address.address}]` : address.address
  const asked = listen.kind === 'address' && !listen.host.includes(':') ? listen.host : shown
  const hosts = [...new Set([...loopbackNames, shown, asked, ...names])]
  return { url: `${scheme}://${asked}:${address.port}/`, hosts, port: address.port, secure }
}
