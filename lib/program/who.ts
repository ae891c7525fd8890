/** Who runs this program, for the record of events: the user of this machine, and the token, by its accessor. */
import { hostname, userInfo } from 'node:os'
import type { Consul } from '../consul/http.ts'

/** How long Consul may take to name the token, ms. */
const limit = 1000

const asked = new WeakMap<Consul, Promise<string>>()

/** "ann@n1", with a token "ann@n1, token 6a12…" (the accessor, never the secret). Asks Consul once. */
export function who(consul: Consul): Promise<string> {
  const before = asked.get(consul)
  if (before !== undefined) return before
  const now = accessorOf(consul).then(accessor => `${user()}@${hostname()}${accessor && `, token ${accessor}`}`)
  asked.set(consul, now)
  return now
}

/** Behind sudo the user who called it. */
function user(): string {
  const { SUDO_USER } = process.env
  if (SUDO_USER) return SUDO_USER
  try {
    return userInfo().username
  } catch {
    return String(process.getuid?.() ?? '?') // it has no name on this machine
  }
}

/** Empty without a token, and where Consul does not say: nobody's change waits for this. */
async function accessorOf(consul: Consul): Promise<string> {
  if (consul.address.token === null) return ''
  const own = consul.another(limit)
  try {
    const { AccessorID } = await own.json<{ AccessorID?: unknown }>('GET', '/v1/acl/token/self')
    return typeof AccessorID === 'string' && /^[\w-]{1,64}$/.test(AccessorID) ? AccessorID : ''
  } catch {
    return ''
  } finally {
    own.close()
  }
}
