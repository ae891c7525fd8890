/**
 * One instance of a service whose handlers the test runs itself: the service and its guard's check are registered over
 * the agent's API, so that no watch and no guard of Consul's interferes. Its check stays passing.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after } from 'node:test'
import { keysOf } from '../../../lib/base/names.ts'
import { isAlive, parseProcess, signal } from '../../../lib/machine/identity.ts'
import { readLine } from '../../../lib/state/facts.ts'
import { type InstanceFiles, instanceFiles, localPartitions } from '../../../lib/state/paths.ts'
import type { Agent } from '../../lab/agent.ts'
import { type Beat, readBeats } from '../../lab/beats.ts'
import type { Cluster, ClusterOptions } from '../../lab/cluster.ts'
import { sharedCluster } from '../../lab/in-tests.ts'
import { until } from '../../lab/until.ts'
import { rootsByDirectory } from './processes.ts'
import { type Ended, type HowToRun, runProgram } from './programs.ts'

export interface InstanceOptions {
  readonly service: string
  /** The Consul service id; the service's name when left out. */
  readonly id?: string
  readonly partitions?: readonly string[]
  /** Long enough that nobody need renew it, unless said. */
  readonly lease?: string
  readonly grace?: string
  /** What the definition holds besides. */
  readonly more?: Readonly<Record<string, unknown>>
}

const worker = join(import.meta.dirname, '../../lab/worker.sh')

const instances = new Set<Instance>()

/**
 * A cluster for tests that run handlers themselves. At its end the shepherds are asked to stop: one that is killed
 * leaves its timer behind for as long as the lease.
 */
export function handlerLab(options: ClusterOptions): () => Cluster {
  // Hooks run in the order in which they are made.
  after(() => Promise.all([...instances].map(instance => instance.stop())))
  return sharedCluster(options)
}

/** Registers an instance and writes its definition; nothing of watchbill has run yet. */
export async function addInstance(agent: Agent, options: InstanceOptions): Promise<Instance> {
  const instance = new Instance(agent, options)
  instances.add(instance)
  instance.define(options.partitions ?? ['0', '1', '2'])
  await instance.register()
  return instance
}

export class Instance {
  readonly agent: Agent
  readonly service: string
  readonly id: string
  /** <node>:<service id> */
  readonly name: string
  readonly files: InstanceFiles
  readonly definition: string
  /** All instances of a service beat into one file per machine: the lab's. */
  readonly beatsFile: string
  /** Where its programs find Consul; a test may put a proxy there. */
  http: string
  #options: InstanceOptions

  constructor(agent: Agent, options: InstanceOptions) {
    this.agent = agent
    this.service = options.service
    this.id = options.id ?? options.service
    this.name = `${agent.name}:${this.id}`
    this.files = instanceFiles(agent.state, this.name)
    this.definition = join(agent.etc, `${this.id}.json`)
    this.beatsFile = join(agent.folder, '..', `${this.service}.beats`)
    this.http = agent.http
    this.#options = options
  }

  /** Writes the definition file with these partitions. */
  define(partitions: readonly string[]): void {
    const { lease = '250s', grace = '1s', more = {} } = this.#options
    writeFileSync(this.beatsFile, '', { flag: 'a' })
    const definition = {
      name: this.service,
      id: this.id,
      partitions: { list: partitions },
      run: { command: [worker, this.beatsFile] },
      stop: { grace },
      lease,
      ...more,
    }
    writeFileSync(this.definition, JSON.stringify(definition))
  }

  async register(): Promise<void> {
    const check = { CheckID: `${this.id}-guard`, Name: 'guard', TTL: '20m', Status: 'passing' }
    await this.agent.api('PUT', '/v1/agent/service/register', { Name: this.service, ID: this.id, Checks: [check] })
  }

  /** Runs one of its programs to its end. */
  run(program: string, how: HowToRun = {}): Promise<Ended> {
    return runProgram(program, {
      ...how,
      env: { ...this.agent.env, ...how.env },
      args: [...this.args, ...(how.args ?? [])],
    })
  }

  get args(): string[] {
    const { agent, name, service, definition, http } = this
    return [
      ...['--instance', name, '--service', service, '--definition', definition],
      ...['--state', agent.state, '--http-addr', http],
    ]
  }

  /** The pids that run each partition here now: the topmost processes that carry its mark. Those without any are left out. */
  running(): Map<string, number[]> {
    return rootsByDirectory(this.files.partitions)
  }

  /** Asks its shepherds to stop; what does not, the end of the lab finds. */
  async stop(): Promise<void> {
    const shepherds = localPartitions(this.files).flatMap(
      id => parseProcess(readLine(this.files.partition(id).shepherd)) ?? [],
    )
    for (const shepherd of shepherds) signal(shepherd, 'SIGTERM')
    await until(`the shepherds of ${this.name} to end`, () => !shepherds.some(isAlive))
  }

  beats(): Promise<Beat[]> {
    return readBeats(this.beatsFile)
  }

  /** What Consul holds of the service's locks. */
  async locks(): Promise<Map<string, HeldLock>> {
    const { locks } = keysOf(this.service)
    const entries = await this.agent.api<RawEntry[]>('GET', `/v1/kv/${locks}?recurse&consistent`).catch(noKeys)
    return new Map(
      entries.map(({ Key, Value, Session }) => [
        decodeURIComponent(Key.slice(locks.length)),
        { session: Session ?? null, value: Buffer.from(Value ?? '', 'base64').toString() },
      ]),
    )
  }

  /** The session that holds its member key; null when none does. */
  async session(): Promise<string | null> {
    const key = keysOf(this.service).member(this.name)
    const entries = await this.agent.api<RawEntry[]>('GET', `/v1/kv/${key}?consistent`).catch(noKeys)
    return entries[0]?.Session ?? null
  }

  /** Keeps its session alive where no guard does; a session's time to live is 30 s. */
  async keepSession(): Promise<void> {
    const session = await this.session()
    if (session) await this.agent.api('PUT', `/v1/session/renew/${session}`)
  }

  /** The partitions whose locks it holds, sorted. */
  async holds(): Promise<string[]> {
    const [session, locks] = await Promise.all([this.session(), this.locks()])
    return [...locks].flatMap(([id, lock]) => (session !== null && lock.session === session ? [id] : [])).sort()
  }

  /** Sets a key of the service, such as `spec/settings`, as anybody may. */
  put(key: string, value: string): Promise<unknown> {
    return this.agent.api('PUT', `/v1/kv/${keysOf(this.service).root}${key}`, value)
  }
}

export interface HeldLock {
  readonly session: string | null
  readonly value: string
}

interface RawEntry {
  Key: string
  Value: string | null
  Session?: string
}

function noKeys(error: unknown): RawEntry[] {
  if ((error as { status?: number }).status === 404) return []
  throw error
}
