/** The users of this machine, as far as its own files name them. */
import { existsSync, readFileSync } from 'node:fs'

const file = '/etc/passwd'
const groupFile = '/etc/group'

/** A user as the system judges what it may do. */
export interface Account {
  readonly uid: number
  readonly groups: readonly number[]
}

/** Null when there is no such user. */
export function uidOf(user: string): number | null {
  return accountOf(user)?.uid ?? null
}

/** With all groups; null when there is no such user. */
export function accountOf(user: string): Account | null {
  const fields = lines(file).find(([name]) => name === user)
  if (fields === undefined) return null
  const more = lines(groupFile).filter(([, , , members = '']) => members.split(',').includes(user))
  return { uid: Number(fields[2]), groups: [Number(fields[3]), ...more.map(([, , gid]) => Number(gid))] }
}

/** The account that a process has; null when it is gone. */
export function accountOfProcess(pid: number): Account | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const numbers = (name: string) =>
      new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1]?.split(/\s+/).map(Number) ?? []
    const [, uid] = numbers('Uid') // the effective one
    const [, gid] = numbers('Gid')
    if (uid === undefined || gid === undefined) return null
    return { uid, groups: [gid, ...numbers('Groups')] }
  } catch {
    return null
  }
}

function lines(of: string): string[][] {
  if (!existsSync(of)) return []
  return readFileSync(of, 'utf8')
    .split('\n')
    .map(line => line.split(':'))
}
