/** What completions are made of: the programs beside this one, and Consul, which has little time and may fail. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { decode, keysOf } from '../../base/names.ts'
import { byName } from '../../base/text.ts'
import type { Consul } from '../../consul/http.ts'
import { keysBelow } from '../../consul/kv.ts'
import { knownServices } from '../../keys/services.ts'
import type { Description } from '../../program/help.ts'
import { commandOf, programs } from '../../program/programs.ts'
import type { Knows } from './complete.ts'

export function knowsBy(consul: Consul): Knows {
  const below = async (prefix: string) => {
    const found = await keysBelow(consul, prefix, true)
    return found.flatMap(key => decode(key.slice(prefix.length)) ?? []).sort(byName)
  }
  return {
    programs,
    describe: async program => {
      if (!programs().has(program)) return null
      const [node, ...args] = commandOf(program)
      const { stdout } = await promisify(execFile)(node, [...args, '--help=json'])
      return JSON.parse(stdout) as Description
    },
    services: () => knownServices(consul),
    instances: service => below(keysOf(service).members),
    partitions: service => below(keysOf(service).partitions),
  }
}
