/** Whether the agent knows the state of each process. Cheap, for the guard. */

import { readUsual } from '../state/facts.ts'
import type { Local } from '../state/local.ts'
import type { InstanceFiles } from '../state/paths.ts'
import { hasProcess } from '../state/shepherd-status.ts'
import { isHere } from './watched.ts'

/** Whether the process runs and is ready, as far as is known here. */
export function isRunning({ process, status, unready }: Local): boolean {
  return unready === undefined && process !== null && hasProcess(status)
}

/** The first line of `registered` says whether the agent was told that the process runs. */
export function areRegistrationsStale(files: InstanceFiles, local: ReadonlyMap<string, Local>): boolean {
  return [...local].some(([id, one]) => {
    const said = readUsual(files.partition(id).registered)?.split('\n')[0] ?? 'nothing'
    return said !== (isHere(one) ? String(isRunning(one)) : 'nothing')
  })
}
