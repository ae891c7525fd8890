/** Where the page listens: an address, a Unix socket, or the socket that systemd hands over (sd_listen_fds(3)). Pure but for the file. */
import { readFileSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { Permanent, reason } from '../base/errors.ts'
import { isLoopback } from './door.ts'

export type Listen =
  | { readonly kind: 'address'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'handed'; readonly fd: number }

/** The first descriptor that systemd hands over. */
const firstHanded = 3

/** @throws Permanent when it is no address, or more than one socket is handed over */
export function listenFrom(
  text: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  pid: number,
): Listen {
  const wrong = (why: string) => new Permanent(`cannot listen on ${text ?? 'the socket of systemd'}: ${why}`)
  if (text === undefined && env.LISTEN_PID === String(pid) && env.LISTEN_FDS !== undefined) {
    if (env.LISTEN_FDS !== '1') throw wrong(`systemd hands over ${env.LISTEN_FDS} sockets; give one ListenStream`)
    return { kind: 'handed', fd: firstHanded }
  }
  const address = text ?? '127.0.0.1:0'
  if (address.startsWith('unix://')) return { kind: 'unix', path: address.slice('unix://'.length) }
  if (address.startsWith('/')) return { kind: 'unix', path: address }
  const [, bracketed, plain, port] = /^(?:\[([\da-f:.]+)\]|([^:[\]/]+)):(\d{1,5})$/i.exec(address) ?? []
  if (port === undefined || Number(port) > 65_535) throw wrong('give host:port, [address]:port or /path/of/a.sock')
  if (bracketed !== undefined && !isIPv6(bracketed)) throw wrong('it is no IPv6 address')
  return { kind: 'address', host: (bracketed ?? plain ?? '').toLowerCase(), port: Number(port) }
}

export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** @throws Permanent when a file cannot be read, one of the two is missing, or others could listen to what goes over the network */
export function certificateFrom(listen: Listen, cert: string | undefined, key: string | undefined): Certificate | null {
  if (cert !== undefined && key !== undefined) return { cert: read(cert), key: read(key) }
  if (cert !== undefined || key !== undefined)
    throw new Permanent('cannot read the arguments: --cert and --key go together')
  mustBePrivate(listen.kind === 'address' ? listen.host : null)
  return null
}

/** @param host null for a Unix socket @throws Permanent for an address that others reach */
export function mustBePrivate(host: string | null): void {
  if (host === null || isLoopback(host)) return
  throw new Permanent(
    `cannot listen on ${host} without TLS: others could read what goes there; give --cert and --key, or listen on 127.0.0.1 and use ssh -L`,
  )
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Permanent(`cannot read ${file}: ${reason(error)}; make it readable for this user`)
  }
}
