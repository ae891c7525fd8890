/** The lines that configure prints. */

import { instanceName, keyRefusal, keysOf } from '../../base/names.ts'
import type { Definition } from '../../definition/definition.ts'
import { refusedIds, renameAdvice } from '../../keys/new-ids.ts'
import type { Release } from '../release/release.ts'
import { setUidProgram } from '../set-uid.ts'
import { type Agent, lacking, needs } from './agent.ts'
import { missingPrograms } from './commands.ts'
import type { Change } from './files.ts'
import type { Service } from './services.ts'

const done = { wrote: 'wrote', removed: 'removed', unchanged: 'unchanged' }
const planned = { wrote: 'would write', removed: 'would remove', unchanged: 'unchanged' }

export function changeLine({ file, outcome }: Change, dryRun: boolean): string {
  return `${(dryRun ? planned : done)[outcome]} ${file}`
}

export function releaseLine({ version, directory, built, switched }: Release, dryRun: boolean): string {
  if (!built) return `unchanged ${directory}${switched ? `, now the current release ${version}` : ''}`
  return `${dryRun ? 'would build' : 'built'} ${directory}`
}

/** The required settings, and which of them the running agent lacks. @param unitFits its unit is known to let processes live */
export function agentLines(agent: Agent | string, unitFits = false): string[] {
  const wanted = JSON.stringify(needs)
  const unit = unitFits
    ? []
    : [
        'the agent needs, under systemd, to be root, or KillMode=process and Delegate=yes in its unit: ' +
          'a restart kills the processes otherwise',
      ]
  if (typeof agent === 'string')
    return [`the agent needs ${wanted}; whether it has that is not known: ${agent}`, ...unit]
  const missing = lacking(agent)
  const who = `the agent on ${agent.node} (Consul ${agent.version})`
  const isUnknown = Object.values(agent.settings).includes(null)
  if (missing.length === 0 && isUnknown)
    return [`the agent needs ${wanted}; ${who} does not tell whether it has that`, ...unit]
  if (missing.length === 0) return [`${who} has the settings that it needs`, ...unit]
  const lacks = missing.map(name => `${name} ${needs[name]}`).join(' and ')
  return [`${who} LACKS ${lacks}: add that to its configuration and restart it`, ...unit]
}

export function validatedLine(validated: boolean): string {
  return validated ? 'consul validate takes it' : 'not tried with consul validate: there is no consul on PATH'
}

/** A line for each missing program. Not an error: configure may be run before they are installed. */
export function missingLines(services: readonly { readonly definition: Definition }[]): string[] {
  return services.flatMap(({ definition }) =>
    missingPrograms(definition).map(
      ({ field, program }) =>
        `MISSING: ${field} of ${definition.name}: ${program} is no program on this machine; install it before consul reload`,
    ),
  )
}

/** A warning about set-uid programs: only root, or a control group, can end a process that became another user. */
export function setUidLines(services: readonly { readonly definition: Definition }[]): string[] {
  return services.flatMap(({ definition }) => {
    const program = setUidProgram(definition)
    if (program === null) return []
    const rest = 'only an agent that is root, or may make control groups, can end it: set Delegate=yes in its unit'
    return [`${program} of ${definition.name} is set-uid and runs as another user; ${rest}`]
  })
}

export function environmentLine(variables: readonly string[]): string[] {
  if (variables.length === 0) return []
  return [`the agent needs in its environment, for the handlers that it runs: ${variables.join(', ')}`]
}

/** Names whose keys agents from Consul 1.22 on refuse. Only Consul knows whether such a partition exists already. */
export function namesLines(services: readonly Service[], node: string): string[] {
  return services.flatMap(({ definition: { name, id, partitions } }) => {
    const keys = keysOf(name)
    const advice = renameAdvice({ service: name, keys }, refusedIds(keys, partitions))
    const instance = instanceName(node, id)
    const why = keyRefusal(keys.member(instance))
    return [
      ...(advice ? [`RENAME: ${advice}; then say so in the definition. What is not there yet is left out`] : []),
      ...(why ? [`RENAME: agents of Consul 1.22 or later take no keys of ${instance}: it holds ${why}`] : []),
    ]
  })
}

/** The next step. */
export function nextLine(changes: readonly Change[], dryRun: boolean): string {
  if (changes.every(({ outcome }) => outcome === 'unchanged'))
    return 'next: nothing; or consul reload, if that was not done since they were written'
  return dryRun ? 'next: the same without --dry-run' : 'next: consul reload'
}
