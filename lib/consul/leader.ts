/**
 * Says why Consul does not answer. Without a leader an agent holds a request back for 7 s and then answers 500 (seen on
 * 1.8.7), which is longer than our requests wait. Its answer to `/v1/status/leader` comes at once.
 */
import { Temporary } from '../base/errors.ts'
import type { Consul } from './http.ts'

const patience = 2000
const notUp = 'is it up? start it, or name another agent with --http-addr'

/** The error itself; when Consul has no leader, an error that says so. */
export async function explained(consul: Consul, error: unknown): Promise<unknown> {
  if (!(error instanceof Temporary)) return error
  if (/ECONNREFUSED|ENOENT/.test(error.message)) return new Temporary(error.message.replace(/is it up\?$/, notUp))
  if (!/no answer within|Consul answered 500/.test(error.message)) return error
  const asked = consul.another(patience)
  try {
    const leader = await asked.json<unknown>('GET', '/v1/status/leader')
    return leader === '' ? new Temporary(leaderless(consul)) : error
  } catch {
    return error
  } finally {
    asked.close()
  }
}

function leaderless({ address }: Consul): string {
  const why = 'it has no leader: too few of its servers are up, or reach each other'
  return `cannot read Consul at ${address.socketPath ?? address.origin}: ${why}; start them, see consul operator raft list-peers -stale; running processes stop when their lease is over`
}
