/** Which services this machine takes part in: one definition file each. */
import { readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Definition } from '../definition/definition.ts'
import { loadDefinition } from '../definition/load.ts'
import { Permanent } from '../errors.ts'
import { attempt } from './install.ts'

export interface Service {
  /** The definition file, absolute. */
  readonly file: string
  readonly definition: Definition
}

/**
 * The services of the files that are named, else of all in the directory.
 * @throws Permanent when a file cannot be used, when there is none, or when two have one id
 */
export async function servicesFrom(files: readonly string[], directory: string): Promise<Service[]> {
  const services: Service[] = []
  for (const file of files.length > 0 ? files.map(file => resolve(file)) : definitionsIn(directory)) {
    const definition = await loadDefinition(file)
    const twin = services.find(service => service.definition.id === definition.id)
    if (twin) throw sameId(file, twin)
    services.push({ file, definition })
  }
  return services
}

function sameId(file: string, { file: other, definition: { id } }: Service): Permanent {
  return new Permanent(`cannot use the definition ${file}: id: ${other} has ${id} too; give one of them another id`)
}

function definitionsIn(directory: string): string[] {
  const names = attempt('read', directory, () => readdirSync(directory)).filter(name => name.endsWith('.json'))
  if (names.length > 0) return names.sort().map(name => resolve(directory, name))
  throw new Permanent(`cannot configure: ${directory} holds no *.json; name a definition, or set WATCHBILL_CONFIG`)
}
