/** After a look: whether the scheduler of the service is to run, because something has changed. */

import { existsSync } from 'node:fs'
import { digest } from '../base/digest.ts'
import type { Trigger } from '../definition/assign.ts'
import type { Snapshot } from '../look/snapshot.ts'
import { startDetached } from '../process/beside.ts'
import { readFact, writeFact } from '../state/facts.ts'
import { schedulerChanged, scheduleSoon } from '../state/scheduling.ts'
import type { Run } from '../state/self.ts'

/** How long a run waits for more changes, ms: see scheduler/schedule.ts. */
const quiet = '200'

/** The instance that runs it starts it at once. When that one is gone, the next tick of each guard tries to take its duty. */
export function noteForScheduler(run: Run, snapshot: Snapshot): void {
  const { files, instance } = run
  const { assign } = snapshot.definition
  if (assign === undefined) return
  const line = lineOf(snapshot, assign.on)
  if (readFact(files.schedulerSaw) === line && existsSync(files.schedulerDue)) return
  writeFact(files.schedulerSaw, line)
  const by = readFact(files.schedulerBy)
  if (by !== null && by !== instance && snapshot.members.some(one => one.instance === by)) return
  schedulerChanged(files)
  scheduleSoon(files)
  if (by === instance) startDetached('scheduler', run, '--after', quiet)
}

const seen: Record<Trigger, (snapshot: Snapshot) => unknown> = {
  members: ({ members }) =>
    members.map(({ instance, absence, weight, maxPartitions, maxCost, offers }) => [
      ...[instance, absence, weight, maxPartitions, maxCost, offers],
    ]),
  partitions: ({ partitions, documentsIndex }) => [[...partitions].sort(), documentsIndex],
  settings: ({ settings, freeze, placement, count }) => [
    ...[settings, freeze?.index, placement?.digest, [...(placement?.pins ?? [])], count?.index],
  ],
  figures: () => null, // they are written all the time: see scheduler/schedule.ts
}

/** Without a member nobody is told of, its duty is free. */
function lineOf(snapshot: Snapshot, on: readonly Trigger[]): string {
  const names = snapshot.members.map(({ instance }) => instance)
  return digest(JSON.stringify([names, ...on.map(one => seen[one](snapshot))]))
}
