/** Why Consul was not reached, and what to do about it. The errors of OpenSSL and Node say neither. Pure. */
import { reason } from '../base/errors.ts'
import type { Address } from './address.ts'

export interface Unreachable {
  readonly why: string
  readonly todo: string
}

/** Consul 1.8.7 closes a connection beyond its limit without an answer; newer versions answer 429. */
export const tooMany: string =
  'is it up, and are fewer connections open than its limits.http_max_conns_per_client? see watchbill doctor'

/** The answer of a TLS port to plain HTTP (Go's server, seen on 1.8.7). */
export function isHttpToTls(status: number, text: string): boolean {
  return status === 400 && /HTTP request to an HTTPS server/i.test(text)
}

export function speaksTls({ origin }: Pick<Address, 'origin'>): Unreachable {
  const other = origin.replace(/^http:/, 'https:')
  return { why: 'it speaks TLS there', todo: `use ${other}, or set CONSUL_HTTP_SSL=true` }
}

/** @param error what the request failed with */
export function unreachable(error: unknown, { origin, tls }: Pick<Address, 'origin' | 'tls'>): Unreachable {
  const said = reason(error)
  const code = String((error as NodeJS.ErrnoException | null)?.code ?? '')
  const isSecure = origin.startsWith('https:')
  if (!isSecure && code.startsWith('HPE_')) return speaksTls({ origin }) // a TLS alert, parsed as HTTP
  if (!isSecure || !isOfTls(code, said)) return { why: said, todo: code === 'ECONNRESET' ? tooMany : 'is it up?' }
  if (/wrong.version.number|packet.length|unknown.protocol|http request/i.test(`${code} ${said}`)) {
    const other = origin.replace(/^https:/, 'http:')
    return { why: 'it speaks no TLS there', todo: `use ${other}, or unset CONSUL_HTTP_SSL` }
  }
  if (/alert.*certificate|alert.unknown.ca/i.test(`${code} ${said}`)) {
    return tls.cert === undefined
      ? { why: 'it wants a certificate of its clients', todo: 'set CONSUL_CLIENT_CERT and CONSUL_CLIENT_KEY' }
      : { why: 'it refuses our certificate', todo: 'see that CONSUL_CLIENT_CERT is signed by its authority' }
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return { why: said.replace(/:$/, ''), todo: 'set CONSUL_TLS_SERVER_NAME to the name in its certificate' }
  if (/CERT|ISSUER|SIGNATURE|SIGNED/.test(code)) {
    const what = said.split(';')[0]
    const todo = 'set CONSUL_CACERT to the file of the authority that signed it'
    return {
      why: `its certificate cannot be verified (${what})`,
      todo: code === 'CERT_HAS_EXPIRED' ? 'renew it' : todo,
    }
  }
  const files = 'CONSUL_CACERT, CONSUL_CLIENT_CERT and CONSUL_CLIENT_KEY'
  return { why: `TLS failed (${short(said)})`, todo: `see that ${files} name PEM files that belong together` }
}

function isOfTls(code: string, said: string): boolean {
  return (
    /^(EPROTO|ERR_SSL|ERR_TLS|ERR_OSSL)|CERT|ISSUER|SIGNATURE|SIGNED/.test(code) || /^(\w+:)?error:[\dA-F]+:/.test(said)
  )
}

/**
 * From `…:error:0A000412:SSL routines:ssl3_read_bytes:what went wrong:file.c:918:SSL alert number 42`: only what went
 * wrong.
 */
function short(said: string): string {
  const parts = said.replace(/^.*?error:/, '').split(':')
  return parts.slice(1).find(part => part !== '' && !/ routines$|^\w+$/.test(part)) ?? parts.at(-1) ?? said
}
