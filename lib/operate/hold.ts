/** Stops partitions on purpose (hold) and starts them again (unhold): writes the settings, which every instance watches. */

import { byName, listed } from '../base/text.ts'
import type { Consul } from '../consul/http.ts'
import { changeSettings } from '../keys/settings.ts'
import { lookAtInstances } from '../look/part.ts'
import { lookAtCluster } from '../look/read-cluster.ts'
import { print } from '../program/frame.ts'
import { mustBePartitions, type PartitionArgs, withPartitions } from '../program/operator.ts'
import { wholeSet } from '../program/which.ts'

export interface Hold {
  readonly service: string
  readonly partitions: readonly string[]
  /** true to hold, false to unhold. */
  readonly held: boolean
  readonly dryRun: boolean
}

/**
 * A held partition that is no longer in the set can be unheld too.
 * @returns the partitions whose state changes
 * @throws Permanent when an id is not a partition, and then nothing is changed; Temporary when Consul is away
 */
export async function changeHeld(consul: Consul, { service, partitions, held, dryRun }: Hold): Promise<string[]> {
  const cluster = await lookAtCluster(consul, service)
  const before = cluster.settings.held
  const known = held ? cluster.partitions : new Set([...cluster.partitions, ...before])
  mustBePartitions(held ? 'hold' : 'unhold', service, known, partitions)
  if (!dryRun) {
    await changeSettings(consul, cluster.keys, settings => {
      const others = settings.held.filter(id => !partitions.includes(id))
      return { ...settings, held: held ? [...others, ...partitions].sort(byName) : others }
    })
  }
  return partitions.filter(id => before.includes(id) !== held)
}

/** `watchbill hold`, `watchbill unhold`. */
export function holdProgram(args: PartitionArgs, held: boolean): Promise<void> {
  const work = async (consul: Consul, partitions: readonly string[], dryRun: boolean) => {
    const hold = { service: args.service, partitions, held, dryRun }
    const changed = await changeHeld(consul, hold)
    print(args.json ? JSON.stringify({ ...hold, changed }) : holdLine(hold, changed))
  }
  return withPartitions(held ? 'hold' : 'unhold', args, work, held ? wholeSet : heldNow)
}

async function heldNow(consul: Consul, service: string): Promise<readonly string[]> {
  return (await lookAtInstances(consul, service)).settings.held
}

export function holdLine({ held, dryRun }: Hold, changed: readonly string[]): string {
  return `${dryRun ? 'would be ' : ''}${held ? 'held' : 'let go'}: ${listed(changed) || 'none: all were so before'}`
}
