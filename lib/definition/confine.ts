/** Wraps a command so that it runs within the limits that the definition sets for every command: see confine.sh. */
import type { Definition } from './definition.ts'
import type { Limits } from './limits.ts'

const script = `${import.meta.dirname}/confine.sh`

/** The command as it is where nothing is limited. @param more limits of each process, in place of those of a control group */
export function confined(
  { limits }: Definition['run'],
  command: readonly string[],
  more: readonly string[] = [],
): string[] {
  const words = limits === undefined ? [] : [...wordsOf(limits, more)]
  return words.length === 0 ? [...command] : ['/bin/sh', script, ...words, '--', ...command]
}

function wordsOf(limits: Limits, more: readonly string[]): string[] {
  const { user, group, umask, nice, ulimit = {}, memory, readOnly = [], private: own = [], bestEffort } = limits
  const mounts = own.length + readOnly.length > 0
  const words = [
    ...(mounts ? ['mounts'] : []),
    ...(own.length > 0 && memory !== undefined ? [`size=${memory}`] : []),
    // Read-only ones first: a private one may lie below.
    ...[...readOnly].sort().map(path => `read-only=${path}`),
    ...own.map(path => `private=${path}`),
    ...(nice === undefined ? [] : [`nice=${nice}`]),
    ...Object.entries(ulimit).map(([name, value]) => `limit=${name}=${value}`),
    ...more.map(limit => `limit=${limit}`),
    ...(umask === undefined ? [] : [`umask=${umask}`]),
    ...(user === undefined ? [] : [`user=${user}`]),
    ...(group === undefined ? [] : [`group=${group}`]),
  ]
  return words.length > 0 && bestEffort ? ['best-effort', ...words] : words
}
