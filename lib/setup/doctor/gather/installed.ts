/** Reads configure's files in Consul's directory, and compares them with what configure would write now. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { duration } from '../../../base/clock.ts'
import { reason } from '../../../base/errors.ts'
import { addressFrom } from '../../../consul/address.ts'
import type { Definition } from '../../../definition/definition.ts'
import { loadDefinition } from '../../../definition/load.ts'
import { variablesHere } from '../../../definition/variables.ts'
import { isAlive, parseProcess } from '../../../machine/identity.ts'
import { uidOf } from '../../../machine/users.ts'
import { readHome } from '../../../process/containment/groups.ts'
import { unkept } from '../../../process/limits/keepable.ts'
import { refusalFor } from '../../../state/allowed.ts'
import { readLine } from '../../../state/facts.ts'
import { isBounded } from '../../../state/limits-path.ts'
import { defaultState, type InstanceFiles, instanceFiles, localPartitions } from '../../../state/paths.ts'
import { missingPrograms } from '../../configure/commands.ts'
import { asText, type ConsulConfig, consulConfig } from '../../configure/consul-config.ts'
import { setUidProgram } from '../../set-uid.ts'
import type { Installed } from '../facts.ts'
import { agentPid, unitsOf, userOf } from './machine.ts'
import { stateFacts } from './state.ts'
import { type Speak, tokenFacts } from './token.ts'

/** @throws never: a directory or a file that cannot be read is a fact */
export async function installedIn(directory: string, speak: Speak): Promise<Installed[]> {
  const names = existsSync(directory) ? readdirSync(directory).filter(name => /^watchbill-.*\.json$/.test(name)) : []
  const found = await Promise.all(names.sort().map(name => installed(`${directory}/${name}`, speak)))
  return found.flatMap(one => one ?? [])
}

/** null for a file of ours that holds no service, such as consul.d/watchbill.json under another name. */
async function installed(file: string, speak: Speak): Promise<Installed | null> {
  try {
    const text = readFileSync(file, 'utf8')
    const config: Partial<ConsulConfig> = JSON.parse(text)
    if (config.services === undefined) return null
    return await factsOf(file, text, config as ConsulConfig, speak)
  } catch (error) {
    return { ...nothing, file, problem: reason(error) }
  }
}

const nothing: Installed = {
  file: '',
  problem: null,
  service: '',
  id: '',
  instance: '',
  watches: 0,
  initialStatus: null,
  guardIntervalMs: null,
  leaseMs: null,
  definitionProblem: null,
  current: false,
  missingPrograms: [],
  absent: [],
  state: { directory: '', uid: null, mode: 0, freeBytes: 0, fileSystem: 'disk' },
  groups: null,
  standIn: [],
  setUid: null,
  scheduler: null,
  token: { file: null, uid: null, mode: 0, missing: null, problem: null },
}

async function factsOf(file: string, text: string, config: ConsulConfig, speak: Speak): Promise<Installed> {
  const [service] = config.services
  const args = (config.watches ?? [])[0]?.args
  if (service === undefined || args === undefined) throw new Error('it lacks the service, or its watches')
  const check = (service.checks ?? [])[0]
  const options = optionsIn(args)
  const instance = options.instance ?? ''
  // The definition's environment variables have the values that configure found and wrote into the file.
  const variables = variablesHere(process.env, options.variables ?? '')
  const definition = await loadDefinition(options.definition ?? '', variables).catch(reason)
  const observes = typeof definition !== 'string' && definition.role === 'observer'
  return {
    ...nothing,
    file,
    service: options.service ?? service.name,
    id: service.id,
    instance,
    watches: (config.watches ?? []).length,
    initialStatus: check?.status ?? null,
    guardIntervalMs: check === undefined ? null : duration(check.interval),
    leaseMs: typeof definition === 'string' ? null : definition.leaseMs,
    definitionProblem: typeof definition === 'string' ? definition : null,
    current: typeof definition !== 'string' && again(definition, args) === text,
    missingPrograms: programsIn(config).filter(path => !existsSync(path)),
    absent: typeof definition === 'string' ? [] : missingPrograms(definition),
    state: stateFacts(options.state ?? defaultState),
    groups: readHome(instanceFiles(options.state ?? defaultState, instance)),
    standIn: unitsOf(keepersOf(instanceFiles(options.state ?? defaultState, instance))),
    setUid: typeof definition === 'string' ? null : setUidProgram(definition),
    scheduler: typeof definition === 'string' ? null : schedulerOf(definition),
    ...(typeof definition === 'string'
      ? {}
      : limitFacts(definition, instanceFiles(options.state ?? defaultState, instance))),
    token: observes ? nothing.token : await tokenFacts(speak, service.name, instance, options),
  }
}

function limitFacts(definition: Definition, files: InstanceFiles): Partial<Installed> {
  const pid = agentPid(addressFrom(process.env))
  const uid = (pid === null ? null : userOf(pid)) ?? process.geteuid?.() ?? 0
  const { limits } = definition.run
  const home = readHome(files)?.directory ?? null
  return {
    ...(limits && { unkept: unkept(definition, { pid, uid, home }), bestEffort: limits.bestEffort === true }),
    ...(isBounded() && { refused: refusalFor(files.directory, definition) }),
  }
}

/** The shepherds, and their clock. */
function keepersOf(files: InstanceFiles): number[] {
  const all = [files.worker, ...localPartitions(files).map(id => files.partition(id))]
  const facts = [...all.map(({ shepherd }) => shepherd), files.clock.launched]
  return facts.map(fact => parseProcess(readLine(fact))).flatMap(one => (one !== null && isAlive(one) ? [one.pid] : []))
}

/** `--name value` pairs, after the Node and the program. */
function optionsIn(args: readonly string[]): Record<string, string> {
  const pairs = args.flatMap((arg, at) =>
    at >= 2 && at % 2 === 0 ? [[arg.replace(/^--/, ''), args[at + 1] ?? '']] : [],
  )
  return Object.fromEntries(pairs)
}

/** The text that configure would write now, with the paths and options of the existing file. */
function schedulerOf({ assign }: Definition): Installed['scheduler'] {
  if (assign === undefined) return null
  return { user: assign.user ?? null, uid: assign.user === undefined ? null : uidOf(assign.user) }
}

function again(definition: Definition, args: readonly string[]): string {
  const { instance = '', definition: definitionFile = '' } = optionsIn(args)
  const programs = dirname(args[1] ?? '')
  const place = { node: `${programs}/bin/run`, programs, instance, definitionFile }
  // Variables are written anew, as the definition has them now.
  const more = args
    .slice(8)
    .flatMap((arg, at, rest) => (at % 2 === 0 && arg !== '--variables' ? [arg, rest[at + 1] ?? ''] : []))
  return asText(consulConfig(definition, { ...place, more }))
}

/** The programs that the file names, and those that they start themselves. */
function programsIn({ services, watches }: ConsulConfig): string[] {
  const commands = [...services.flatMap(({ checks }) => checks ?? []), ...(watches ?? [])].map(({ args }) => args)
  const named = commands.flatMap(([node = '', program = '']) => [node, program])
  const home = dirname(commands[0]?.[1] ?? '')
  return [
    ...new Set([
      ...named,
      ...['bin/node', 'reconcile.cjs', 'lib/launch.sh', 'lib/shepherd.sh'].map(name => `${home}/${name}`),
    ]),
  ]
}
