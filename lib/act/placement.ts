/** What is done for the rules of placement of the service. Loaded late: most services have none. */

import { listed } from '../base/text.ts'
import { pointersOf } from '../definition/rules.ts'
import { changePlacement, mayPropose, replacedBy } from '../keys/placement.ts'
import { changeSettings, withOlderDrained, withoutDrain } from '../keys/settings.ts'
import type { Snapshot } from '../look/snapshot.ts'
import type { Step } from '../plan/step.ts'
import type { Run } from '../state/self.ts'

export type PlacingStep = Extract<Step, { do: 'propose' | 'drainOlder' | 'undrainOlder' | 'readTraits' }>

export async function forPlacement(run: Run, snapshot: Snapshot, steps: readonly PlacingStep[]): Promise<void> {
  for (const step of steps) {
    if (step.do === 'propose') await propose(run, snapshot)
    else if (step.do === 'drainOlder') await drainOlder(run, snapshot, step.instances)
    else if (step.do === 'undrainOlder') await undrainOlder(run, snapshot, step.instances)
    else {
      const { extractTraits } = await import('./read-traits.ts')
      await extractTraits(
        run.consul,
        snapshot,
        pointersOf(snapshot.placement?.rules ?? { only: [], prefer: [], spread: [], apart: [], cost: [] }),
      )
    }
  }
}

/** Puts the rules of its definition in force, unless they were replaced meanwhile. */
async function propose(run: Run, { keys, definition: { placement } }: Snapshot): Promise<void> {
  if (placement === undefined) return
  const now = { ...placement, by: run.instance, since: new Date().toISOString() }
  const { changed } = await changePlacement(run.consul, keys, before =>
    mayPropose(before, placement.digest) ? replacedBy(before, now) : null,
  )
  if (changed) run.log(`put the placement of its definition in force (${placement.digest})`)
}

/** A release that does not know the rules would place by others. Every release leaves alone who is drained. */
async function drainOlder(run: Run, { keys }: Snapshot, instances: readonly string[]): Promise<void> {
  const { changed } = await changeSettings(run.consul, keys, settings => withOlderDrained(settings, instances))
  if (changed)
    run.log(
      `drained ${listed(instances)}: of an older release, which does not know the placement in force; upgrade it, and the drain ends`,
    )
}

/** Only where it is still such a drain: people may have drained it since. */
async function undrainOlder(run: Run, { keys }: Snapshot, instances: readonly string[]): Promise<void> {
  const { changed } = await changeSettings(run.consul, keys, settings =>
    withoutDrain(
      settings,
      instances.filter(instance => settings.older?.includes(instance)),
    ),
  )
  if (changed) run.log(`ended the drain of ${listed(instances)}: it was of an older release`)
}
