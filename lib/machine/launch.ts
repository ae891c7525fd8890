/** Starts scripts that outlive this program: many with one launcher, each with its own environment. */
import { spawn } from 'node:child_process'
import { callersLimit } from './caller.ts'

const launcher = `${import.meta.dirname}/launch.sh`

export interface Launch {
  /** Where `launched` and `output` go; the script's first argument. */
  readonly directory: string
  readonly environment: Readonly<Record<string, string>>
  readonly args: readonly string[]
}

interface Manner {
  /** `fork` for a script that ends soon: see launch.sh. */
  readonly how?: 'exec' | 'fork'
  /** Files of control groups that the scripts join: see process/containment/groups.ts. */
  readonly join?: readonly string[]
  /** A pipe that they listen to: see launch.sh. */
  readonly clock?: string
}

/** @returns null once the launcher has started all of them, otherwise why it could not be started */
export function launchAll(
  script: string,
  cwd: string,
  launches: readonly Launch[],
  { how = 'exec', join = [], clock = '' }: Manner = {},
): Promise<string | null> {
  const environments = launches.map(({ environment }) => environment)
  const names = differing(environments)
  const indexed = environments.flatMap((own, i) => names.map(name => [`_${i}_${name}`, own[name] ?? '']))
  const common = Object.entries(environments[0] ?? {}).filter(([name]) => !names.includes(name))
  const argv = launches.flatMap(({ directory, args }) => [directory, String(args.length), ...args])
  return new Promise(resolve => {
    // They inherit no file: Consul waits until every process that holds a handler's stdout or stderr has closed it.
    spawn('/bin/sh', [launcher, how, join.join('\n'), script, cwd, String(launches.length), names.join(' '), ...argv], {
      cwd: '/',
      env: Object.fromEntries([...common, ...indexed, ['_soft', callersLimit() ?? ''], ['_clock', clock]]),
      detached: true,
      stdio: 'ignore',
    })
      .on('error', error => resolve(error.message))
      .on('exit', () => resolve(null))
  })
}

/** The names of variables that differ between the launches. Only names that are valid in a shell. */
function differing([first = {}, ...others]: readonly Readonly<Record<string, string>>[]): string[] {
  const names = Object.keys(first).filter(name => /^[A-Za-z_]\w*$/.test(name))
  return names.filter(name => others.some(other => other[name] !== first[name]))
}
