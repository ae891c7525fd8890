/** A directory where the control groups of one instance are made, and whether it can be used for that. */
import { existsSync, mkdirSync } from 'node:fs'
import { basename } from 'node:path'
import type { InstanceFiles } from '../../state/paths.ts'

/** What of an instance's files is needed. */
export type Place = Pick<InstanceFiles, 'directory' | 'groups'>

/** Where the groups of one instance are made. */
export interface Home {
  /** Their directory; null when there are none. */
  readonly directory: string | null
  /** Why there are none, or whose the directory is, for people. */
  readonly why: string
}

/** @param parent the directory that may be changed; it is not made: it may be a scope that is gone */
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
 * Tried, because modes do not tell: who moves a process must also be allowed to change the group that is above both its
 * old place and its new one.
 */
async function canJoin(group: string): Promise<boolean> {
  const { spawnSync } = await import('node:child_process')
  const join = ['-c', 'printf 0 >"$1"', 'sh', `${group}/cgroup.procs`]
  return spawnSync('/bin/sh', join, { stdio: 'ignore', timeout: 1000 }).status === 0
}
