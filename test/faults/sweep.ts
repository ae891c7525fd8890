/** Removes the mounts and groups of labs that were killed. Their processes have ended with them. */
import { existsSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { removeGroups, version2 } from './group.ts'

/** The start of the names of a lab's folder and groups; the pid of the lab's process follows. */
export const mark = 'watchbill-faults-'

/** Unmounts the folders and removes the groups of labs whose process is gone. The folders stay, as evidence. */
export async function sweep(groups = version2 as string): Promise<void> {
  for (const name of orphans(tmpdir())) {
    await execa('umount', ['--recursive', '--lazy', join(tmpdir(), name)], { reject: false })
  }
  for (const name of orphans(groups)) {
    removeGroups(join(groups, name))
  }
}

function orphans(folder: string): string[] {
  const owner = (name: string) => name.slice(mark.length).split('-')[0]
  const isOrphan = (pid = '') => /^\d+$/.test(pid) && !existsSync(`/proc/${pid}`)
  return readdirSync(folder).filter(name => name.startsWith(mark) && isOrphan(owner(name)))
}
