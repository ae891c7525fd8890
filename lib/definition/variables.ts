/**
 * What a definition takes from the environment. `configure` reads it, and writes it into what Consul runs: the agent's own
 * environment may say something else, or nothing.
 */
import { mostIds } from './definition.ts'
import type { DefinitionFile } from './schema.ts'

export type Variables = Readonly<Record<string, string | undefined>>

/** Where a program keeps what `--variables` gave it, for itself and for those that it starts. */
export const given = 'WATCHBILL_VARIABLES'

/** `NAME=value`, with a comma in between where there are several. */
export function written(variables: Readonly<Record<string, string>>): string {
  return Object.entries(variables)
    .map(([name, value]) => `${name}=${value}`)
    .join(',')
}

/** What such a text says. */
function readBack(text: string): Record<string, string> {
  return Object.fromEntries(
    text
      .split(',')
      .filter(Boolean)
      .map(pair => pair.split('=', 2) as [string, string]),
  )
}

/** What `--variables` gave this program, or another one, over the environment. */
export function variablesHere(env: Variables = process.env, text = env[given] ?? ''): Variables {
  return { ...env, ...readBack(text) }
}

/** What is wrong with the variables that a definition names, as `<field>: <what>; <what to do>`; null when nothing is. */
export function variableFault({ partitions: { count } }: DefinitionFile, variables: Variables): string | null {
  if (typeof count !== 'object') return null
  const value = variables[count.env]
  const field = `partitions.count.env: ${count.env}`
  if (value === undefined || value === '') return `${field} is not set; set it when configure runs`
  const isCount = /^[1-9]\d{0,5}$/.test(value) && Number(value) <= mostIds
  return isCount ? null : `${field} is ${JSON.stringify(value)}; give it a whole number from 1 to ${mostIds}`
}
