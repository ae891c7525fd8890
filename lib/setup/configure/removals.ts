/** Warns of definitions that would remove partitions of the present set: saving a file does not remove them. */

import { removalNotice } from '../../act/proposal.ts'
import { reason } from '../../base/errors.ts'
import { keysOf } from '../../base/names.ts'
import { Consul } from '../../consul/http.ts'
import { readIds } from '../../keys/partition-set.ts'
import { debugLine } from '../../program/frame.ts'
import type { Service } from './services.ts'

/** A line for each such definition. If Consul cannot be read, as with a weak token, a line says so, and configure goes on. */
export async function removalLines(services: readonly Service[]): Promise<string[]> {
  const consul = new Consul({ debug: debugLine })
  const lines: string[] = []
  try {
    for (const { definition } of services) {
      if (definition.source !== null) continue
      const { name: service } = definition
      const keys = keysOf(service)
      const partitions = new Set(await readIds(consul, keys))
      const line = await removalNotice({ consul }, { service, keys, partitions, definition })
      if (line !== null) lines.push(`REMOVES: ${line}`)
    }
  } catch (error) {
    lines.push(`whether a definition removes partitions is not known: ${reason(error)}`)
  } finally {
    consul.close()
  }
  return lines
}
