import type { Facts, StateFacts } from '../facts.ts'
import { type Finding, ok, unsafe, warn } from '../finding.ts'

const mebibyte = 1024 * 1024
/** With less free space, writing facts may fail: leases are still renewed, in place, and nothing else works. */
const least = 16 * mebibyte
const comfortable = 200 * mebibyte

/** Checks each state directory once, even when several instances use it. */
export function stateDirectories({ installed, agentUid }: Facts): Finding[] {
  const states = new Map(
    installed.filter(({ problem }) => problem === null).map(({ state }) => [state.directory, state]),
  )
  return [...states.values()].map(state => judge(state, agentUid))
}

function judge({ directory, uid, mode, freeBytes, fileSystem }: StateFacts, agentUid: number | null): Finding {
  const free = `${Math.floor(freeBytes / mebibyte)} MiB free`
  if (uid === null)
    return warn(
      `${directory} is not there yet`,
      'see that the user of the agent may make it, or StateDirectory= in its unit',
    )
  if (agentUid !== null && uid !== agentUid && agentUid !== 0) {
    return unsafe(
      `${directory} belongs to user ${uid}, and the agent runs as ${agentUid}`,
      `chown -R ${agentUid} ${directory}`,
    )
  }
  if (mode & 0o022)
    return unsafe(`${directory} can be written to by others (mode ${mode.toString(8)})`, `chmod 700 ${directory}`)
  if (freeBytes < least)
    return unsafe(
      `${directory} is full (${free}): what runs here goes on, and nothing can be taken or handed over`,
      'make room',
    )
  if (fileSystem === 'network')
    return unsafe(`${directory} is on a network file system, which may hang`, 'use a local one')
  if (freeBytes < comfortable) return warn(`${directory} has ${free}`, 'make room')
  // Others may pass through where processes run as another user: see docs/limits.md.
  if (mode & 0o044)
    return warn(`${directory} can be read by others (mode ${mode.toString(8)})`, `chmod 700 ${directory}`)
  return ok(`${directory} is the agent's alone, ${fileSystem === 'memory' ? 'in memory' : 'on disk'}, ${free}`)
}
