/** What a lab that was killed hard left behind: its mounts and groups. Its processes have ended with it. */
import { existsSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { removeGroups, version2 } from './group.ts'

/** The names of a lab's folder and of its groups begin so; the pid of the one that runs it follows. */
export const mark = 'watchbill-faults-'

/** Unmounts, and removes the groups, of labs whose process is gone. Folders stay: they are evidence. */
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
