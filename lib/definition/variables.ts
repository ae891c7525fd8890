/**
 * The environment variables that a definition uses. `configure` reads them and writes them into the commands that
 * Consul runs, because the agent's own environment may hold other values or none.
 */
import { mostIds } from './definition.ts'
import type { DefinitionFile } from './schema.ts'

export type Variables = Readonly<Record<string, string | undefined>>

/** The variable that holds the value of `--variables`, for this program and for those that it starts. */
export const given = 'WATCHBILL_VARIABLES'

/** `NAME=value`, separated by commas. */
export function written(variables: Readonly<Record<string, string>>): string {
  return Object.entries(variables)
    .map(([name, value]) => `${name}=${value}`)
    .join(',')
}

/** Parses such a text. */
function readBack(text: string): Record<string, string> {
  return Object.fromEntries(
    text
      .split(',')
      .filter(Boolean)
      .map(pair => pair.split('=', 2) as [string, string]),
  )
}

/** The environment, with the variables that `--variables` gave this program, or another one, taking precedence. */
export function variablesHere(env: Variables = process.env, text = env[given] ?? ''): Variables {
  return { ...env, ...readBack(text) }
}

/**
 * Why the variables that a definition names are refused, as `<field>: <what>; <what to do>`; null when they are valid.
 */
export function variableFault({ partitions: { count } }: DefinitionFile, variables: Variables): string | null {
  if (typeof count !== 'object') return null
  const value = variables[count.env]
  const field = `partitions.count.env: ${count.env}`
  if (value === undefined || value === '') return `${field} is not set; set it when configure runs`
  const isCount = /^[1-9]\d{0,5}$/.test(value) && Number(value) <= mostIds
  return isCount ? null : `${field} is ${JSON.stringify(value)}; give it a whole number from 1 to ${mostIds}`
}
