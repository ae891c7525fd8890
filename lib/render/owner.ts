/** The numbers of a user and a group, as chown takes their names. */
import { execFileSync } from 'node:child_process'

export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** @param owner `user` or `user:group`, names or numbers. A group that is not said is the user's own. @throws Error */
export function ownerOf(owner: string): Owner {
  const [user = '', group] = owner.split(':')
  const [, , uid = user, own = ''] = entry('passwd', user) ?? []
  if (!/^\d+$/.test(uid)) throw new Error(`there is no user ${user}`)
  const gid = group === undefined ? own : (entry('group', group)?.[2] ?? group)
  if (!/^\d+$/.test(gid))
    throw new Error(group === undefined ? `user ${user} has no group; name one` : `there is no group ${group}`)
  return { uid: Number(uid), gid: Number(gid) }
}

/** Asked once each: thousands of files may have one owner. */
const known = new Map<string, readonly string[] | null>()

function entry(database: 'passwd' | 'group', name: string): readonly string[] | null {
  const question = `${database} ${name}`
  const before = known.get(question)
  if (before !== undefined) return before
  const answer = ask(database, name)
  known.set(question, answer)
  return answer
}

function ask(database: string, name: string): readonly string[] | null {
  try {
    const answer = execFileSync('getent', [database, '--', name], { stdio: ['ignore', 'pipe', 'ignore'] })
    return String(answer).trimEnd().split(':')
  } catch {
    return null // 2: there is no such entry
  }
}
