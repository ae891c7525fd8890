/** Drains an instance, which then gives up its partitions and stays, or lets it take part again: writes the settings. */
import { Permanent } from '../base/errors.ts'
import { keysOf } from '../base/names.ts'
import { byName } from '../base/text.ts'
import type { Consul } from '../consul/http.ts'
import { changeSettings, type Settings, withDrain, withoutDrain } from '../keys/settings.ts'
import { lookAtInstances } from '../look/part.ts'

export interface Drain {
  readonly service: string
  readonly instance: string
  /** false to let it take part again. */
  readonly on: boolean
  readonly dryRun: boolean
}

/** @returns whether it was not so before @throws Permanent when there is no such instance; Temporary when Consul is away */
export async function changeDrained(consul: Consul, { service, instance, on, dryRun }: Drain): Promise<boolean> {
  const { members, registered, settings } = await lookAtInstances(consul, service)
  const instances = new Set([...members, ...registered].map(one => one.instance))
  if (on && !instances.has(instance)) {
    const there = [...instances].sort(byName).join(', ') || 'none'
    throw new Permanent(`cannot drain ${instance}: ${service} has no such instance; there are: ${there}`)
  }
  const change = (before: Settings) => (on ? withDrain(before, instance) : withoutDrain(before, [instance]))
  if (dryRun) return JSON.stringify(change(settings)) !== JSON.stringify(settings)
  return (await changeSettings(consul, keysOf(service), change)).changed
}

export function drainLine({ instance, on, dryRun }: Drain, changed: boolean): string {
  return `${instance} ${dryRun ? 'would be' : 'is'} ${on ? '' : 'not '}drained${changed ? '' : ', as before'}`
}
