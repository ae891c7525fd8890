/** Whether a stand-in may be running: see process/stand-in.ts. Here, since whoever only asks loads nothing of it. */
import { existsSync } from 'node:fs'
import type { InstanceFiles } from './paths.ts'

/** It may be running, or is not gone for certain: whoever was ending it may have died in the middle. */
export function hasStandIn({ standIn: { acquisition, releasing } }: Pick<InstanceFiles, 'standIn'>): boolean {
  return existsSync(acquisition) || existsSync(releasing)
}
