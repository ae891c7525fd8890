/**
 * Whether definitions can be put to work on this machine: what configure refuses, what doctor warns of, before either. Each
 * rule is theirs; nothing is written.
 */
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { reason } from '../../base/errors.ts'
import { instanceName } from '../../base/names.ts'
import type { Consul } from '../../consul/http.ts'
import type { Definition } from '../../definition/definition.ts'
import { type Account, accountOf, accountOfProcess } from '../../machine/users.ts'
import { missingPrograms, unrunnable } from '../configure/commands.ts'
import { rendered, type Wanted } from '../configure/configure.ts'
import { notPassedOn } from '../configure/environment.ts'
import { mustRenderApart } from '../configure/rendered-twice.ts'
import { type Service, servicesFrom } from '../configure/services.ts'
import { validate as consulValidates } from '../configure/validate.ts'
import { environmentLine, namesLines, setUidLines, validatedLine } from '../configure/words.ts'
import { timing } from '../doctor/check/timing.ts'
import { tokens } from '../doctor/check/token.ts'
import type { AgentFacts, Unknown } from '../doctor/facts.ts'
import { type Finding, ok, unsafe, warn } from '../doctor/finding.ts'
import { agentFacts } from '../doctor/gather/agent.ts'
import { agentPid, consulEnvironment, userOf } from '../doctor/gather/machine.ts'
import { tokenFacts } from '../doctor/gather/token.ts'

export interface Examined {
  readonly findings: readonly Finding[]
  /** Those that could be read. */
  readonly services: readonly Service[]
  /** Consul does not answer: what depends on it is not known. */
  readonly away: boolean
}

/** @throws Permanent when no definition is named, and there is none */
export async function examineDefinitions(
  consul: Consul,
  files: readonly string[],
  directory: string,
  wanted: Wanted,
): Promise<Examined> {
  const { services, findings } = await read(files, directory)
  const pid = agentPid(consul.address)
  const agent = await agentFacts(consul)
  const away = 'unknown' in agent
  const node = wanted.node || ('unknown' in agent ? hostname() : agent.node)
  const speak = (pid === null ? null : consulEnvironment(pid)) ?? process.env
  for (const service of services) {
    findings.push(...(await onMachine(service, services, wanted, pid)))
    findings.push(
      ...(await inCluster(service, { agent, speak, wanted, node, agentUid: pid === null ? null : userOf(pid) })),
    )
  }
  if (services.length > 0) findings.push(...(await asConfigured(services, { ...wanted, node })))
  findings.push(...namesLines(services, node).map(line => warn(line, '')))
  findings.push(...environmentLine(notPassedOn(wanted.env)).map(line => warn(line, '')))
  if (agent !== null && 'unknown' in agent)
    findings.push(warn(`what depends on Consul is not known: ${agent.unknown}`, 'start the agent, or see --http-addr'))
  return { findings, services, away: away && (agent as Unknown).away === true }
}

/** Each file for itself, so that one fault does not hide those of others; then what they must not have in common. */
async function read(files: readonly string[], directory: string) {
  const findings: Finding[] = []
  const services: Service[] = []
  const all = files.length > 0 ? files.map(file => resolve(file)) : (await named(directory)).map(file => resolve(file))
  for (const file of all) {
    try {
      services.push(...(await servicesFrom([file], directory)))
      findings.push(ok(`${file} fits the schema; its times fit together, and its placeholders exist`))
    } catch (error) {
      findings.push(wrongBy(error))
    }
  }
  if (services.length > 1)
    await attempt(findings, () =>
      servicesFrom(
        services.map(({ file }) => file),
        directory,
      ),
    )
  return { services, findings }
}

async function named(directory: string): Promise<string[]> {
  const { definitionsIn } = await import('../configure/services.ts')
  return definitionsIn(directory)
}

async function onMachine(
  service: Service,
  all: readonly Service[],
  wanted: Wanted,
  pid: number | null,
): Promise<Finding[]> {
  const findings: Finding[] = []
  const { definition } = service
  const user = userFor(definition, pid)
  const missing = missingPrograms(definition)
  for (const { field, program } of missing)
    findings.push(unsafe(`${field} of ${definition.name}: ${program} is no program on this machine`, 'install it'))
  if (user === null)
    findings.push(unsafe(`run.limits.user of ${definition.name}: there is no user ${limitsUser(definition)}`, 'add it'))
  const refused = user === null ? [] : unrunnable(definition, user)
  for (const { field, program, why } of refused)
    findings.push(
      unsafe(`${field} of ${definition.name}: ${program}: ${why}`, 'change its permissions, or the command'),
    )
  if (missing.length === 0 && refused.length === 0 && user !== null)
    findings.push(ok(`the commands of ${definition.name} are there, and user ${user.uid} may run them`))
  findings.push(...setUidLines([service]).map(line => warn(line, '')))
  const { mustBeWithinLimits } = await import('../configure/limits.ts')
  const { stateRoot } = await import('../../state/paths.ts')
  await attempt(findings, async () => mustBeWithinLimits([service], resolve(wanted.state || stateRoot())))
  await attempt(findings, () =>
    mustRenderApart([service, ...all.filter(one => one !== service)], resolve(wanted.consulDir)),
  )
  return findings
}

/** The user that the commands run as: the definition's own, or the agent's; without an agent whoever asks. */
function userFor(definition: Definition, pid: number | null): Account | null {
  const own = limitsUser(definition)
  if (own !== undefined) return /^\d+$/.test(own) ? { uid: Number(own), groups: [] } : accountOf(own)
  const agent = pid === null ? null : accountOfProcess(pid)
  return agent ?? { uid: process.geteuid?.() ?? 0, groups: process.getgroups?.() ?? [] }
}

function limitsUser({ run }: Definition): string | undefined {
  return run.limits?.user
}

interface Here {
  readonly agent: AgentFacts | Unknown
  readonly agentUid: number | null
  readonly speak: Readonly<Record<string, string | undefined>>
  readonly wanted: Wanted
  readonly node: string
}

async function inCluster({ definition }: Service, { agent, agentUid, speak, wanted, node }: Here): Promise<Finding[]> {
  const { id, name, leaseMs, guardIntervalMs } = definition
  if ('unknown' in agent) return []
  const { address, tokenFile } = wanted
  const options = { ...(tokenFile && { 'token-file': tokenFile }), ...(address && { 'http-addr': address }) }
  const token = await tokenFacts(speak, name, instanceName(node, id), options)
  return [
    ...timing({ agent, installed: [{ id, leaseMs, guardIntervalMs }] }),
    ...tokens({ agent, agentUid, installed: [{ id, token, problem: null }] }),
  ]
}

/** Consul itself reads what configure would write. */
async function asConfigured(services: readonly Service[], wanted: Wanted): Promise<Finding[]> {
  const findings: Finding[] = []
  await attempt(findings, async () => {
    const checked = await consulValidates(await rendered(services, wanted))
    findings.push(
      checked ? ok(validatedLine(true)) : warn(validatedLine(false), 'install consul, or look on such a machine'),
    )
  })
  return findings
}

async function attempt(findings: Finding[], work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
  } catch (error) {
    const found = wrongBy(error)
    if (!findings.some(({ sentence }) => sentence === found.sentence)) findings.push(found)
  }
}

/** @throws what is no refusal: a bug */
function wrongBy(error: unknown): Finding {
  const expected = error instanceof Error && (error.name === 'Permanent' || error.name === 'Temporary')
  if (!expected) throw error
  return unsafe(reason(error), '')
}
