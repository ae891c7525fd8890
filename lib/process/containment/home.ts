/** The directory for the control groups of one instance, and whether it is usable. */
import { existsSync, mkdirSync } from 'node:fs'
import { basename } from 'node:path'
import type { InstanceFiles } from '../../state/paths.ts'

/** The part of an instance's files that is needed here. */
export type Place = Pick<InstanceFiles, 'directory' | 'groups'>

/** The place for the control groups of one instance. */
export interface Home {
  /** The directory; null when there is none. */
  readonly directory: string | null
  /** For people: why there is none, or whose directory it is. */
  readonly why: string
}

/** @param parent a directory that we may change. It is not created: it may be a scope that is gone. */
export async function usable(parent: string, files: Pick<Place, 'directory'>, why: string): Promise<Home> {
  const directory = nameBelow(parent, files)
  try {
    for (const path of [directory, `${directory}/shepherds`]) if (!existsSync(path)) mkdirSync(path)
  } catch (error) {
    return { directory: null, why: `${parent} cannot be used: ${(error as Error).message}` }
  }
  if (await canJoin(`${directory}/shepherds`)) return { directory, why }
  return { directory: null, why: `${parent} cannot be used: no process of ours can be moved there` }
}

export const nameBelow = (parent: string, { directory }: Pick<Place, 'directory'>) =>
  `${parent}/watchbill.${basename(directory)}`

/**
 * Found by trying, because file modes do not tell: to move a process one must also be allowed to change the common
 * ancestor of its old group and its new one.
 */
async function canJoin(group: string): Promise<boolean> {
  const { spawnSync } = await import('node:child_process')
  const join = ['-c', 'printf 0 >"$1"', 'sh', `${group}/cgroup.procs`]
  return spawnSync('/bin/sh', join, { stdio: 'ignore', timeout: 1000 }).status === 0
}
