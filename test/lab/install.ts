/** Puts a service on an agent of a lab the way an operator does: a definition, `configure`, `consul reload`. */
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import type { Agent } from './agent.ts'

const root = join(import.meta.dirname, '../..')
const handlers = join(root, 'handlers')

/** The folder for releases, shared by all labs: an unchanged release need not be built again. */
export const home = join(root, '.cache/home')

/** A definition as users write it. */
export type DefinitionFile = { readonly name: string; readonly id?: string } & Record<string, unknown>

/** The instance's name on an agent. */
export function instanceOf(agent: Agent, definition: DefinitionFile): string {
  return `${agent.name}:${definition.id ?? definition.name}`
}

/** Writes the definition and what `configure` makes of it; `reload` is the caller's. @returns the instance's name */
export async function configure(agent: Agent, definition: DefinitionFile, ...more: string[]): Promise<string> {
  const file = join(agent.etc, `${definition.id ?? definition.name}.json`)
  await writeFile(file, JSON.stringify(definition))
  const places = ['--consul-dir', agent.configDir, '--node', agent.name, '--state', agent.state]
  await program('configure', [file, ...places, '--http-addr', agent.http, '--home', home, ...more], agent)
  return instanceOf(agent, definition)
}

/** The guard's command as Consul runs it. */
export function guardCommand(agent: Agent, { name, id = name }: DefinitionFile): string[] {
  const file = join(agent.configDir, `watchbill-${id}.json`)
  return JSON.parse(readFileSync(file, 'utf8')).services[0].checks[0].args as string[]
}

/** `configure` and `consul reload`. */
export async function install(agent: Agent, definition: DefinitionFile, ...more: string[]): Promise<string> {
  const instance = await configure(agent, definition, ...more)
  await agent.reload()
  return instance
}

/**
 * Runs one of the programs from the sources, where the agent runs. @throws execa's error, with its output, when it does
 * not exit 0
 */
export async function program(name: string, args: readonly string[], agent?: Agent): Promise<string> {
  const [file = '', ...rest] = [...(agent?.place.enter ?? []), ...command(name, args)]
  const { stdout } = await execa(file, rest, { stdin: 'ignore' })
  return stdout
}

/** The same, as the agent's user: for a program that writes to the state directory. */
export async function programAs(agent: Agent, name: string, args: readonly string[]): Promise<string> {
  const [file, ...rest] = [...onHost(agent, name), ...args]
  const { stdout } = await execa(file, rest, { stdin: 'ignore' })
  return stdout
}

/** What starts one of the programs, from the sources, where the agent runs and as its user. */
export function onHost(agent: Agent, name: string): [string, ...string[]] {
  const user = agent.user.length === 0 ? [] : ['setpriv', ...agent.user]
  const [file = '', ...rest] = [...agent.place.enter, ...user, ...command(name, [])]
  return [file, ...rest]
}

function command(name: string, args: readonly string[]): string[] {
  return [process.execPath, join(handlers, `${name}.ts`), ...args]
}
