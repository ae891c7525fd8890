/**
 * The processes that are there at some time, so that a later look at /proc need not read them again. A pid alone does not
 * identify them: it is reused once the kernel has counted through all pids, and forks that a full control group refuses
 * (pids.max) count there too, but not among the forks in /proc/stat. The inode number of /proc/PID does: the kernel gives
 * out a new one for every process, and at most for one that it has dropped from its cache. That one is read again.
 */
import { statSync } from 'node:fs'
import { allPids } from './marks.ts'

export class AlreadyThere {
  readonly #inodes = new Map<number, number>()

  /** Remembers the processes of now. Without it, and when /proc cannot be read, none is known. @throws never */
  remember(): void {
    this.#inodes.clear()
    try {
      for (const pid of allPids()) {
        const inode = inodeOf(pid)
        if (inode !== undefined) this.#inodes.set(pid, inode)
      }
    } catch {
      this.#inodes.clear()
    }
  }

  /** Whether the process that has this pid now was there then. @throws never */
  has(pid: number): boolean {
    const inode = this.#inodes.get(pid)
    try {
      return inode !== undefined && inodeOf(pid) === inode
    } catch {
      return false
    }
  }
}

function inodeOf(pid: number): number | undefined {
  return statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.ino
}
