/** Puts a service on an agent of a lab the way an operator does: a definition, `configure`, `consul reload`. */
import { createHash } from 'node:crypto'
import { existsSync, globSync, readFileSync, realpathSync, renameSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
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
  const args = [file, ...places, '--http-addr', agent.http]
  if (more.includes('--home')) await program('configure', [...args, ...more], agent)
  else await configureHere([...args, '--home', home, ...more], agent)
  return instanceOf(agent, definition)
}

/** Bundling the sources takes seconds. So once a release was made of them, its own `configure` does the same. */
async function configureHere(args: readonly string[], agent: Agent): Promise<void> {
  const release = releaseOf(sources())
  if (release !== null) {
    const [file = '', ...rest] = [...agent.place.enter, release, 'configure', ...args]
    await execa(file, rest, { stdin: 'ignore' })
    return
  }
  await program('configure', args, agent)
  writeFileSync(`${made}.${process.pid}`, `${sources()} ${basename(realpathSync(`${home}/current`))}`)
  renameSync(`${made}.${process.pid}`, made)
}

/** Which release was made of which sources, `<hash> <release>`. */
const made = `${home}/made`

/** `watchbill` of the release that was made of these sources; null when there is none. */
function releaseOf(hash: string): string | null {
  const [of, name = ''] = existsSync(made) ? readFileSync(made, 'utf8').split(' ') : []
  const directory = `${home}/releases/${name}`
  return of === hash && existsSync(`${directory}/cache/done`) ? `${directory}/watchbill` : null
}

let known: string | undefined

/** A hash of all that a release is made of. */
function sources(): string {
  if (known !== undefined) return known
  const sum = createHash('sha256')
  const files = globSync('{lib,handlers}/**', { cwd: root, withFileTypes: true }).filter(entry => entry.isFile())
  const paths = files.map(({ parentPath, name }) => join(parentPath, name)).sort()
  for (const path of [...paths, ...['package.json', 'package-lock.json', 'LICENSE'].map(name => join(root, name))])
    sum.update(`\0${path}\0`).update(readFileSync(path))
  known = sum.digest('hex')
  return known
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
