/**
 * The environment of the processes that an instance starts: some of the agent's variables, and those of the
 * definition.
 */
import type { Definition } from './definition.ts'
import { expandEnv } from './expand.ts'

/** The only variables of the agent that processes inherit: a token in the agent's environment must not leak. */
const inherited = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'USER', 'LOGNAME']
/** Those that are about the agent's user. Where another user is given, confine.sh sets them. */
const ofUser = ['HOME', 'USER', 'LOGNAME']

export function inheritedEnvironment({ limits }: Pick<Definition['run'], 'limits'> = {}): Record<string, string> {
  const names = limits?.user === undefined ? inherited : inherited.filter(name => !ofUser.includes(name))
  return Object.fromEntries(names.flatMap(name => (process.env[name] === undefined ? [] : [[name, process.env[name]]])))
}

/** The variables that are the same for all partitions of an instance. */
export function commonEnvironment(
  { run }: Definition,
  values: Readonly<Record<string, string>>,
): Record<string, string> {
  const { service = '', instance = '', version = '', node = '' } = values
  return {
    ...inheritedEnvironment(run),
    ...expandEnv(run.env, values),
    WATCHBILL_SERVICE: service,
    WATCHBILL_INSTANCE: instance,
    WATCHBILL_VERSION: version,
    WATCHBILL_NODE: node,
  }
}
