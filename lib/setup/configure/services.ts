/** The services that this machine takes part in: one definition file each. */
import { readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { Permanent } from '../../base/errors.ts'
import type { Definition } from '../../definition/definition.ts'
import { loadDefinition } from '../../definition/load.ts'
import { refusal } from '../../definition/read.ts'
import { limitsFile } from '../../state/limits-path.ts'
import { attempt } from '../install.ts'
import { misspelt } from './commands.ts'

export interface Service {
  /** The definition file, absolute. */
  readonly file: string
  readonly definition: Definition
}

/**
 * The services of the named files, or else of all files in the directory.
 * @param force accept words that look like misspelt placeholders
 * @throws Permanent when a file cannot be used, when there is none, or when two have one id, or names that differ in capitals only
 */
export async function servicesFrom(files: readonly string[], directory: string, force = false): Promise<Service[]> {
  const services: Service[] = []
  for (const file of files.length > 0 ? files.map(file => resolve(file)) : definitionsIn(directory)) {
    const definition = await loadDefinition(file)
    const slip = force ? null : misspelt(definition)
    if (slip !== null) throw refusal(file, `${slip}, or say --force if it is meant so`)
    for (const field of ['id', 'name'] as const) {
      const twin = services.find(service => areOne(service.definition, definition, field))
      if (twin) throw twice(file, field, twin)
    }
    services.push({ file, definition })
  }
  return services
}

/** Consul ignores the case of ids and names. Two instances of one service do have the same name. */
function areOne(one: Definition, other: Definition, field: 'id' | 'name'): boolean {
  const [a, b] = [one[field], other[field]]
  return a.toLowerCase() === b.toLowerCase() && (field === 'id' || a !== b)
}

function twice(file: string, field: 'id' | 'name', { file: other, definition }: Service): Permanent {
  const has = `${other} has ${definition[field]}`
  const why = field === 'id' ? `${has} too` : `${has}, and Consul does not tell capitals from small letters`
  return new Permanent(`cannot use the definition ${file}: ${field}: ${why}; give one of them another ${field}`)
}

/** The limits of the machine lie beside the definitions, and are none. */
function isDefinition(directory: string, name: string): boolean {
  return name.endsWith('.json') && resolve(directory, name) !== resolve(limitsFile())
}

/** All in a directory. @throws Permanent when there is none */
export function definitionsIn(directory: string): string[] {
  const names = attempt('read', directory, () => readdirSync(directory)).filter(name => isDefinition(directory, name))
  if (names.length > 0) return names.sort().map(name => resolve(directory, name))
  throw new Permanent(`cannot configure: ${directory} holds no *.json; name a definition, or set WATCHBILL_CONFIG`)
}
