/**
 * Whose power a request has. Either that of the user who started the page, for whoever brings the secret of the printed URL; or,
 * with `--ask-token`, only that of the Consul token that the request itself carries.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { hostname } from 'node:os'
import { Permanent, reason } from '../base/errors.ts'
import { addressFrom } from '../consul/address.ts'
import { Consul } from '../consul/http.ts'
import { Sight } from './sight.ts'

/** A request without the secret, or without a token that counts. */
export class Unknown extends Error {}

export interface Power {
  /** @throws Unknown; Temporary when a token cannot be asked about */
  readonly sightFor: (headers: Headers) => Promise<Sight>
  /** What the page asks for. */
  readonly asks: 'secret' | 'token' | 'nothing'
  readonly close: () => void
}

type Debug = (line: string) => void

/** @param secret null where the file permissions of a Unix socket stand for it; it is sent with the page then */
export function ownPower(consul: Consul, secret: string, asks: 'secret' | 'nothing' = 'secret'): Power {
  const sight = new Sight(consul)
  return {
    asks,
    async sightFor(headers) {
      const given = /^Bearer (\S{1,200})$/.exec(headers.get('authorization') ?? '')?.[1]
      if (given === undefined) throw new Unknown('the secret is missing: open the URL that was printed')
      if (!isSame(given, secret)) throw new Unknown('this is not the secret: open the URL that was printed')
      return sight
    },
    close: () => sight.close(),
  }
}

/** In constant time. */
function isSame(one: string, other: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(one), digest(other))
}

/** The most tokens whose sights are kept, and how long one is kept that nobody uses, ms. */
const mostTokens = 32
const unused = 60_000
/** So often tokens that are not known yet may be asked about, in a second. */
const mostNew = 5

/** @param env Consul's own environment; a token in it does not count */
export function tokenPower(env: Readonly<Record<string, string | undefined>>, debug?: Debug): Power {
  const sights = new Map<string, Promise<Sight>>()
  const asked: number[] = []

  const lookFor = async (token: string): Promise<Sight> => {
    // The token stands in the environment too: after a refusal it is read again from there.
    const own = { ...env, CONSUL_HTTP_TOKEN: token, CONSUL_HTTP_TOKEN_FILE: undefined }
    // A change is the work of the token's owner, whatever user this program runs as.
    let accessor = ''
    const by = async () => `token ${accessor}, by the page on ${hostname()}`
    const consul = new Consul({ env: own, by, ...(debug && { debug }) }, addressFrom(own))
    try {
      accessor = await accessorOf(consul)
    } catch (error) {
      consul.close()
      throw error
    }
    return new Sight(consul)
  }
  const forgetOld = async () => {
    for (const [name, pending] of sights) {
      const sight = await pending.catch(() => null)
      if (sight !== null && !sight.feed.isLive() && performance.now() - sight.used > unused) {
        sights.delete(name)
        sight.close()
      }
    }
  }
  return {
    asks: 'token',
    async sightFor(headers) {
      const token = headers.get('x-consul-token') ?? ''
      if (!/^[\x21-\x7e]{1,200}$/.test(token))
        throw new Unknown('a Consul token is needed: this page has none of its own')
      const name = createHash('sha256').update(token).digest('hex')
      let pending = sights.get(name)
      if (pending === undefined) {
        await forgetOld()
        const now = performance.now()
        while ((asked[0] ?? now) < now - 1000) asked.shift()
        if (asked.length >= mostNew || sights.size >= mostTokens)
          throw new Unknown('too many tokens at once: try again')
        asked.push(now)
        pending = lookFor(token)
        sights.set(name, pending)
        pending.catch(() => sights.delete(name))
      }
      const sight = await pending
      sight.used = performance.now()
      return sight
    },
    close() {
      for (const pending of sights.values())
        pending.then(
          sight => sight.close(),
          () => {},
        )
    },
  }
}

/**
 * @throws Unknown when Consul does not know the token; Permanent when it asks for none: then everybody would have every power,
 * and a token would only look like a protection
 */
async function accessorOf(consul: Consul): Promise<string> {
  const answer = await consul.request('GET', '/v1/acl/token/self', { ok: [200, 401, 403] })
  if (answer.status === 401 || /ACL support disabled/i.test(answer.text))
    throw new Permanent(
      'cannot ask for tokens: this Consul has no ACLs, so that a token protects nothing; see docs/access.md',
    )
  if (answer.status === 403) throw new Unknown('Consul does not know this token')
  const { AccessorID } = readJson(answer.text)
  if (typeof AccessorID !== 'string' || !/^[\w-]{1,64}$/.test(AccessorID))
    throw new Unknown('Consul does not know this token')
  return AccessorID
}

function readJson(text: string): { readonly AccessorID?: unknown } {
  try {
    return JSON.parse(text) ?? {}
  } catch (error) {
    throw new Unknown(`Consul does not say whose token this is: ${reason(error)}`)
  }
}
