/** Removes old releases, except those that a running process uses. */
import { readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { goneOrHidden } from '../../machine/identity.ts'

const kept = 3
const hour = 3_600_000

/** Removes all but the newest three releases, the one in force, and those that a process was started from. */
export function prune(home: string, current: string): void {
  const root = `${home}/releases`
  const names = readdirSync(root)
  const age = (name: string) => Date.now() - (statSync(`${root}/${name}`, { throwIfNoEntry: false })?.mtimeMs ?? 0)
  const releases = names.filter(name => !name.startsWith('.')).sort((a, b) => age(a) - age(b))
  const running = commandLines()
  const old = releases
    .slice(kept)
    .filter(name => name !== current && !running.some(line => line.includes(`/releases/${name}/`)))
  // Left behind by a build that was killed.
  const torn = names.filter(name => name.startsWith('.') && age(name) > hour)
  for (const name of [...old, ...torn]) rmSync(`${root}/${name}`, { recursive: true, force: true })
}

/** The command lines and programs of all processes, such as shepherds and running handlers. */
function commandLines(): string[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(
      pid =>
        `${read(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'))}\0${read(() => readlinkSync(`/proc/${pid}/exe`))}`,
    )
}

/** A process may end while it is read. @throws when /proc cannot be read: a release in use must not be removed */
function read(look: () => string): string {
  try {
    return look()
  } catch (error) {
    return goneOrHidden(error) ?? ''
  }
}
