/** The work of `configure`: from definitions to the files that the agent reads. */
import { accessSync, constants } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { Permanent, reason, Temporary } from '../../base/errors.ts'
import { instanceName } from '../../base/names.ts'
import { missingPermission } from '../../consul/permission.ts'
import { reachConsul } from '../../program/instance-args.ts'
import { stateRoot } from '../../state/paths.ts'
import { attempt } from '../install.ts'
import { ownRelease } from '../release/contents.ts'
import { makeRelease, type Release } from '../release/release.ts'
import { type Agent, askAgent } from './agent.ts'
import { asText, type ConsulConfig, consulConfig, merged } from './consul-config.ts'
import { type Given, notPassedOn, passedOn } from './environment.ts'
import { type Change, installAll, removeAll } from './files.ts'
import { removalLines } from './removals.ts'
import { mustRenderApart } from './rendered-twice.ts'
import type { Service } from './services.ts'
import { namesLines } from './words.ts'

export interface Wanted extends Given {
  readonly consulDir: string
  readonly node?: string | undefined
  /** Where releases go. */
  readonly home?: string | undefined
  readonly nodeBinary: string
  readonly dryRun: boolean
  /** The environment that configure runs in. */
  readonly env: NodeJS.ProcessEnv
}

export interface Configured {
  readonly changes: readonly Change[]
  readonly release: Release
  /** The agent, or why it was not asked. */
  readonly agent: Agent | string
  /** Whether `consul validate` checked the files; null when they did not change. */
  readonly validated: boolean | null
  /** Variables of our environment that the handlers need, so the agent's environment must have them too. */
  readonly environment: readonly string[]
  /** Names that must be changed for newer agents, a line for each service. */
  readonly names: readonly string[]
  /** Definitions that remove partitions in force, a line each. */
  readonly removals: readonly string[]
}

/** Makes the release and writes the files. @throws Permanent, Temporary */
export async function configure(services: readonly Service[], wanted: Wanted): Promise<Configured> {
  const { dryRun } = wanted
  const directory = resolve(wanted.consulDir)
  await mustRenderApart(services, directory)
  const { node, agent } = await whichNode(wanted)
  attempt('write to', directory, () => accessSync(directory, constants.W_OK | constants.X_OK))
  await mustBeWithinLimits(services, wanted)
  const configs = configsFor(services, node, wanted)
  const plan = installAll(services, configs, directory, true)
  const validated = plan.some(({ outcome }) => outcome !== 'unchanged') ? await validates(configs) : null
  const release = await installRelease(wanted)
  // Written last: the programs that the files name must exist before the agent reads the files.
  const changes = installAll(services, configs, directory, dryRun)
  return {
    changes,
    release,
    agent,
    validated,
    environment: notPassedOn(wanted.env),
    names: namesLines(services, node),
    removals: typeof agent === 'string' ? [] : await removalLines(services),
  }
}

/** Puts the programs into the directory for releases, and in force; Consul's files stay as they are. @throws Permanent, Temporary */
export function installRelease(wanted: Wanted): Promise<Release> {
  return makeRelease({ home: homeOf(wanted), node: wanted.nodeBinary, dryRun: wanted.dryRun })
}

/** @throws Permanent when this machine does not allow a definition, or cannot keep its limits */
async function mustBeWithinLimits(services: readonly Service[], { state }: Wanted): Promise<void> {
  const { mustBeWithinLimits } = await import('./limits.ts') // most machines have none
  mustBeWithinLimits(services, resolve(state || stateRoot()))
}

async function validates(configs: readonly ConsulConfig[]): Promise<boolean> {
  const { validate } = await import('./validate.ts')
  return validate(asText(merged(configs)))
}

/** The configuration of all services as one text; writes nothing. */
export async function rendered(services: readonly Service[], wanted: Wanted): Promise<string> {
  await mustRenderApart(services, null)
  const node = wanted.node || (await whichNode(wanted)).node
  await mustBeWithinLimits(services, wanted)
  return asText(merged(configsFor(services, node, wanted)))
}

/** @throws Permanent when one still has partitions here, unless `force` */
export function unconfigure(services: readonly Service[], wanted: Wanted, force: boolean): Change[] {
  const state = resolve(wanted.state || stateRoot())
  return removeAll(services, resolve(wanted.consulDir), { state, force, dryRun: wanted.dryRun })
}

function configsFor(services: readonly Service[], node: string, wanted: Wanted): ConsulConfig[] {
  const programs = `${homeOf(wanted)}/current`
  const run = { programs, node: `${programs}/bin/run` }
  const more = passedOn(wanted, wanted.env)
  return services.map(({ file, definition }) =>
    consulConfig(definition, { ...run, more, definitionFile: file, instance: instanceName(node, definition.id) }),
  )
}

/** The directory for releases. A release that runs configure stays where it is. */
function homeOf({ home, env }: Wanted): string {
  const own = ownRelease()
  const ownHome = own?.includes('/releases/') ? dirname(dirname(own)) : undefined
  return resolve(home || env.WATCHBILL_HOME || ownHome || '/usr/local/lib/watchbill')
}

/** This machine's node name, from --node or the agent. @throws Temporary when there is no --node and the agent is away */
async function whichNode(wanted: Wanted): Promise<{ node: string; agent: Agent | string }> {
  reachConsul(wanted.address, wanted.tokenFile)
  try {
    const agent = await askAgent()
    return { node: wanted.node || agent.node, agent }
  } catch (error) {
    if (wanted.node) return { node: wanted.node, agent: reason(error) }
    const why = `cannot ask for this node's name: ${reason(error)}`
    if (missingPermission(error) !== null) throw new Permanent(`${why}, or give --node NAME`)
    throw new Temporary(`${why}; give --node NAME, or start the agent`)
  }
}
