/** Which Consul the lab runs: CONSUL_BIN, else `consul` on PATH, else Debian's, fetched once into the project's cache. */
import { resolve } from 'node:path'
import { named, onPath } from '../../lib/setup/agent/consul-program.ts'
import { fetchConsul, pin } from './fetch.ts'

const cache = resolve(import.meta.dirname, '../../.cache/consul')

/**
 * The path of a Consul program.
 * @param say is told, in a line, when something is fetched
 * @throws Permanent or Temporary, whose one line says what to do
 */
export async function consulBinary(say: (line: string) => void = () => {}): Promise<string> {
  return named(process.env) ?? onPath(process.env) ?? fetchConsul({ cache, pin, etc: '/etc/apt', say })
}
