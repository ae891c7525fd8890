/**
 * What a request must be like before anything else is looked at: for a host of ours (a name that an attacker has pointed here is
 * none), and from no other site. Pure.
 */

export interface Doorway {
  /** The names and addresses under which the page may be called, without a port; an IPv6 address in brackets. */
  readonly hosts: readonly string[]
  /** The port that must be named; null behind a Unix socket, where the caller's tunnel has a port of its own. */
  readonly port: number | null
  readonly secure: boolean
}

export interface Knock {
  readonly method: string
  readonly host: string | undefined
  readonly origin: string | undefined
  /** Sec-Fetch-Site, -Mode and -Dest, which browsers set and pages cannot. */
  readonly site: string | undefined
  readonly mode: string | undefined
  readonly dest: string | undefined
}

export interface Refusal {
  readonly status: 403 | 421
  readonly why: string
}

export function refusalOf({ method, host, origin, site, mode, dest }: Knock, doorway: Doorway): Refusal | null {
  if (host === undefined || !isOurs(host, doorway))
    return { status: 421, why: 'this name is none of this page: open the address that was printed' }
  const own = `${doorway.secure ? 'https' : 'http'}://${host.toLowerCase()}`
  if (origin !== undefined && origin !== own) return { status: 403, why: 'a page of another site may not ask' }
  if (site === undefined || site === 'same-origin' || site === 'none') return null
  // A link from elsewhere may open the page, which then holds nothing yet; nothing else of another site may ask.
  const opens = method === 'GET' && mode === 'navigate' && dest === 'document'
  return opens ? null : { status: 403, why: 'a page of another site may not ask' }
}

function isOurs(host: string, { hosts, port, secure }: Doorway): boolean {
  const [, name = '', given] = /^(\[[\da-f:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/i.exec(host) ?? []
  const usual = secure ? 443 : 80
  return hosts.includes(name.toLowerCase()) && (port === null || Number(given ?? usual) === port)
}

export const loopbackNames = ['127.0.0.1', 'localhost', '[::1]'] as const

/** Whether only this machine reaches an address. */
export function isLoopback(address: string): boolean {
  return /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(address) || address === '::1' || address === 'localhost'
}
