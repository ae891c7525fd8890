/** What configure says. */
import type { Definition } from '../definition/definition.ts'
import { setUidProgram } from '../process/is-program.ts'
import { type Agent, lacking, needs } from './agent.ts'
import type { Change } from './files.ts'
import type { Release } from './release.ts'

const done = { wrote: 'wrote', removed: 'removed', unchanged: 'unchanged' }
const planned = { wrote: 'would write', removed: 'would remove', unchanged: 'unchanged' }

export function changeLine({ file, outcome }: Change, dryRun: boolean): string {
  return `${(dryRun ? planned : done)[outcome]} ${file}`
}

export function releaseLine({ version, directory, built, switched }: Release, dryRun: boolean): string {
  if (!built) return `unchanged ${directory}${switched ? `, now the current release ${version}` : ''}`
  return `${dryRun ? 'would build' : 'built'} ${directory}`
}

/** What the agent needs, and what the running one lacks of it. */
export function agentLines(agent: Agent | string): string[] {
  const wanted = JSON.stringify(needs)
  const unit = 'the agent needs, under systemd, KillMode=process in its unit: a restart kills the processes otherwise'
  if (typeof agent === 'string') return [`the agent needs ${wanted}; whether it has that is not known: ${agent}`, unit]
  const missing = lacking(agent)
  const who = `the agent on ${agent.node} (Consul ${agent.version})`
  const unknown = Object.values(agent.settings).includes(null) ? ', and does not tell whether it has it' : ''
  if (missing.length === 0) return [`the agent needs ${wanted}${unknown}`, unit]
  const lacks = missing.map(name => `${name} ${needs[name]}`).join(' and ')
  return [`the agent needs ${wanted}; ${who} LACKS ${lacks}: add that to its configuration and restart it`, unit]
}

export function validatedLine(validated: boolean): string {
  return validated ? 'consul validate takes it' : 'not tried with consul validate: there is no consul on PATH'
}

/** A program that becomes another user can be ended by root, or through its control group, and by nobody else. */
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

/** What is left to do. */
export function nextLine(changes: readonly Change[], dryRun: boolean): string {
  if (changes.every(({ outcome }) => outcome === 'unchanged'))
    return 'next: nothing; or consul reload, if that was not done since they were written'
  return dryRun ? 'next: the same without --dry-run' : 'next: consul reload'
}
