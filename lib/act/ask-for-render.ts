/** After a look: starts a render beside this program when the look found anything that rendered files may show. */
import { digest } from '../base/digest.ts'
import type { Snapshot } from '../look/snapshot.ts'
import { startDetached } from '../process/beside.ts'
import type { Assignment } from '../roster/rule.ts'
import { isActive } from '../state/local.ts'
import { beginToAwait, readSeen } from '../state/renders.ts'
import type { Run } from '../state/self.ts'

type Looked = Pick<
  Snapshot,
  | 'members'
  | 'registered'
  | 'healthIndex'
  | 'locks'
  | 'partitions'
  | 'settings'
  | 'freeze'
  | 'lost'
  | 'documentsIndex'
  | 'ownPlan'
  | 'roll'
>

/**
 * What a look finds of the things that files may show, as a digest. Two looks with the same mark give the same files, but for
 * the reports and the templates.
 */
export function markOf(looked: Looked & Partial<Pick<Snapshot, 'local'>>, placed: Assignment): string {
  const {
    members,
    registered,
    healthIndex,
    locks,
    partitions,
    settings,
    freeze,
    lost,
    documentsIndex,
    ownPlan,
    roll,
    local,
  } = looked
  const here = [...(local ?? [])].flatMap(([id, one]) => (isActive(one) ? [id] : []))
  return digest(
    JSON.stringify([
      members,
      registered,
      healthIndex,
      [...locks].map(([id, { session, held }]) => [id, session, held?.acquisition, held?.version]),
      [...partitions],
      [...placed],
      settings,
      freeze?.frozen,
      [...lost.keys()],
      documentsIndex,
      ownPlan.plan?.variables,
      here,
      ...(roll != null && 'cursor' in roll ? [roll.to, roll.state, roll.before, roll.cursor] : []),
    ]),
  )
}

/** @param asked the mark that this program asked for last @returns the mark that was asked for by now */
export function askForRender(
  run: Pick<Run, 'files' | 'instance' | 'service' | 'definitionFile' | 'node' | 'serviceId'>,
  snapshot: Snapshot,
  placed: Assignment,
  asked: string | null,
): string | null {
  for (const [id, { unrendered }] of snapshot.local) if (unrendered) beginToAwait(run.files, id)
  const mark = markOf(snapshot, placed)
  if (mark === asked || readSeen(run.files)?.mark === mark) return asked
  startDetached('rerender', run)
  return mark
}
