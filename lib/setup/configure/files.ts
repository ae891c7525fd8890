/** The files in Consul's configuration directory: one for each service id. */
import { readdirSync } from 'node:fs'
import { Permanent } from '../../base/errors.ts'
import { partsOf } from '../../base/names.ts'
import { readFact } from '../../state/facts.ts'
import { localInstances } from '../../state/identity.ts'
import { instanceFiles, localPartitions } from '../../state/paths.ts'
import { hasStandIn } from '../../state/stand-in.ts'
import { install, type Outcome, uninstall } from '../install.ts'
import { asText, type ConsulConfig } from './consul-config.ts'
import type { Service } from './services.ts'

export interface Change {
  readonly file: string
  readonly service: string
  readonly id: string
  readonly outcome: Outcome
}

/** Writes each service's file if its text has changed. */
export function installAll(
  services: readonly Service[],
  configs: readonly ConsulConfig[],
  directory: string,
  dryRun: boolean,
): Change[] {
  for (const { definition, file } of services) mustBeAlone(definition.id, file, directory)
  return services.map((service, at) =>
    change(service, directory, file => install(file, asText(configs[at] as ConsulConfig), dryRun)),
  )
}

/** @throws Permanent when an earlier run wrote a service whose id differs only in capital letters: Consul takes the two for one */
function mustBeAlone(id: string, definitionFile: string, directory: string): void {
  const own = `watchbill-${id}.json`
  const twin = readdirSync(directory).find(name => name !== own && name.toLowerCase() === own.toLowerCase())
  if (twin === undefined) return
  throw new Permanent(
    `cannot use the definition ${definitionFile}: id: ${directory}/${twin} is there, and Consul does not tell capitals from small letters; give it another id, or remove that one with configure --remove`,
  )
}

/** Removes each service's file. @throws Permanent when one still has partitions here, unless `force` */
export function removeAll(
  services: readonly Service[],
  directory: string,
  { state, force, dryRun }: { state: string; force: boolean; dryRun: boolean },
): Change[] {
  const inUse = force ? undefined : services.find(({ definition }) => hasPartitions(state, definition.id))
  if (inUse) {
    const { name, id } = inUse.definition
    throw new Permanent(
      `cannot remove ${id}: it has partitions, or a stand-in, on this machine; run watchbill leave ${name} first, or give --force`,
    )
  }
  return services.map(service => change(service, directory, file => uninstall(file, dryRun)))
}

function change(service: Service, directory: string, act: (file: string) => Outcome): Change {
  const { name, id } = service.definition
  const file = `${directory}/watchbill-${id}.json`
  return { file, service: name, id, outcome: act(file) }
}

/** Whether a process may run, a stand-in too, or a lock be held for this service id, under any node name: the agent may be away. */
function hasPartitions(state: string, id: string): boolean {
  return localInstances(state)
    .filter(instance => partsOf(instance).serviceId === id)
    .map(instance => instanceFiles(state, instance))
    .some(
      files =>
        hasStandIn(files) || localPartitions(files).some(id => readFact(files.partition(id).acquisition) !== null),
    )
}
