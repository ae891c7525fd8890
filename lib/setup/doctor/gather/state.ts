import { statfsSync, statSync } from 'node:fs'
import type { StateFacts } from '../facts.ts'

/** Of statfs(2): tmpfs and ramfs; NFS, SMB, CIFS, Ceph, FUSE (sshfs, GlusterFS). */
const memory = [0x01021994, 0x858458f6]
const network = [0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x00c36400, 0x65735546]

export function stateFacts(directory: string): StateFacts {
  const found = statSync(directory, { throwIfNoEntry: false })
  if (found === undefined) return { directory, uid: null, mode: 0, freeBytes: 0, fileSystem: 'disk' }
  const { type, bavail, bsize } = statfsSync(directory)
  const fileSystem = memory.includes(type) ? 'memory' : network.includes(type) ? 'network' : 'disk'
  return { directory, uid: found.uid, mode: found.mode & 0o777, freeBytes: bavail * bsize, fileSystem }
}
