/** The environment of what this instance starts: a few of the agent's own variables, and what the definition adds. */
import type { Definition } from './definition.ts'
import { expandEnv } from './expand.ts'

/** Only these of the agent's own variables reach what we start: a token in the agent's environment must not. */
const inherited = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'USER', 'LOGNAME']

export function inheritedEnvironment(): Record<string, string> {
  return Object.fromEntries(
    inherited.flatMap(name => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  )
}

/** The part of it that is the same for all partitions of an instance. */
export function commonEnvironment(
  { run }: Definition,
  values: Readonly<Record<string, string>>,
): Record<string, string> {
  const { service = '', instance = '', version = '', node = '' } = values
  return {
    ...inheritedEnvironment(),
    ...expandEnv(run.env, values),
    WATCHBILL_SERVICE: service,
    WATCHBILL_INSTANCE: instance,
    WATCHBILL_VERSION: version,
    WATCHBILL_NODE: node,
  }
}
