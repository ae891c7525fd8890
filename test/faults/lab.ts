/**
 * The fault lab: Consul on separate hosts, one service whose workers beat and write to a store, and a witness of the
 * locks.
 */
import { closeSync, existsSync, lstatSync, openSync, readSync, statSync, writeFileSync } from 'node:fs'
import { chmod, chown, cp, mkdir, mkdtemp, readlink, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { bootClock } from '../../lib/base/clock.ts'
import { keysOf } from '../../lib/base/names.ts'
import { type InstanceFiles, instanceFiles } from '../../lib/state/paths.ts'
import { everywhere, range, type Stage, statusOf } from '../cluster/stage.ts'
import { type Beat, owners, parseBeats } from '../lab/beats.ts'
import { type Agent, type Cluster, startCluster, tunedGossip } from '../lab/cluster.ts'
import { configure, type DefinitionFile, home, instanceOf } from '../lab/install.ts'
import { killMarked } from '../lab/marked.ts'
import { until } from '../lab/until.ts'
import { besideServices, partitionsBeside } from './beside.ts'
import { type Host, Lan } from './hosts.ts'
import { rollingVersions } from './roller.ts'
import { mark, sweep } from './sweep.ts'
import { Witness } from './witness.ts'
import { kinds, makePerls, workerCommand } from './workers.ts'

export type Gossip = 'default' | 'tuned'

export interface LabOptions {
  readonly clients: number
  readonly gossip: Gossip
  /** The clients' agents run as an unprivileged user, who is given their host's control group. */
  readonly asUser?: boolean
  /** Partitions get no control groups. */
  readonly noGroups?: boolean
  /** A roll-out is always under way: see roller.ts. */
  readonly rolling?: boolean
  /** More of the environment of the clients' agents. */
  readonly env?: Readonly<Record<string, string>>
  /** Other services run beside the ordinary one: see beside.ts. */
  readonly isolated?: boolean
  readonly say: (line: string) => void
}

/** The user nobody: every Debian has it, and it owns no files. */
const nobody = 65_534

/** L and G in seconds, for Consul's default gossip and for consul.d/fast-failover.json: see docs/timing.md. */
const terms = { default: { lease: 10, grace: 3 }, tuned: { lease: 7, grace: 2 } } as const
const guardInterval = 2
const stateSize = 'size=8m,nr_inodes=4096,mode=755'
/** How much of the end of the beats file is read, bytes: the beats of two seconds take half of it. */
const tailSize = 96 * 1024
/** Every server soon makes a snapshot, so that a restart restores one. */
const snapshots = { raft_snapshot_threshold: 20, raft_snapshot_interval: '5s' }

const autopilot = '/v1/operator/autopilot/health'

interface Autopilot {
  /** How many servers may fail. */
  readonly FailureTolerance: number
}

export class Lab implements Stage {
  readonly root: string
  readonly lan: Lan
  readonly cluster: Cluster
  readonly definition: DefinitionFile
  readonly witness: Witness
  /** The agents are root's, and partitions have no control groups. */
  readonly isBareRoot: boolean
  readonly isRolling: boolean
  /** The definitions of the services beside the ordinary one. */
  readonly beside: readonly DefinitionFile[]
  /** L and G, ms. */
  readonly lease: number
  readonly grace: number
  readonly #file: string
  readonly #uid: number
  #offset = 0

  private constructor(root: string, lan: Lan, cluster: Cluster, options: LabOptions) {
    this.root = root
    this.#file = join(root, 'beats')
    this.#uid = options.asUser ? nobody : 0
    this.isBareRoot = !options.asUser && options.noGroups === true
    this.isRolling = options.rolling === true
    this.lan = lan
    this.cluster = cluster
    const { lease, grace } = terms[options.gossip]
    this.lease = lease * 1000
    this.grace = grace * 1000
    this.definition = this.define(lease, grace)
    this.beside = options.isolated ? besideServices(root, this.definition) : []
    this.witness = new Witness(this.servers, keysOf(this.definition.name).locks)
  }

  static async start(options: LabOptions): Promise<Lab> {
    await sweep()
    const root = await mkdtemp(join(tmpdir(), `${mark}${process.pid}-`))
    // A shared mount: later mounts below it also appear on every host.
    await execa('mount', ['--bind', root, root])
    await execa('mount', ['--make-shared', root])
    await chmod(root, 0o711)
    const lan = await Lan.start(join(root, 'hosts'))
    const uid = options.asUser ? nobody : null
    const env = { ...(options.noGroups && { WATCHBILL_CGROUP: 'off' }), ...options.env }
    const client = { ...(uid !== null && { uid }), env }
    const clients = Array.from({ length: options.clients }, (_, i) => [`a${i + 1}`, client] as const)
    const cluster = await startCluster({
      servers: 3,
      clients: options.clients,
      parent: root,
      agents: Object.fromEntries(clients),
      place: async name => (await lan.add(name, name.startsWith('a') ? uid : null)).place,
      settings: { ...(options.gossip === 'tuned' && tunedGossip), ...snapshots },
      say: options.say,
    })
    const lab = new Lab(root, lan, cluster, options)
    try {
      await lab.#enter()
      return lab
    } catch (error) {
      await lab.close({ keep: true })
      throw error
    }
  }

  get servers(): Agent[] {
    return this.cluster.agents.filter(({ server }) => server)
  }

  /** The agents that run the service. */
  get clients(): Agent[] {
    return this.cluster.agents.filter(({ server }) => !server)
  }

  /** The partitions, as the beats name them. */
  get partitions(): string[] {
    return range(kinds.length).map(id => `${this.definition.name}/${id}`)
  }

  /** W + guard interval + 1 s, ms. */
  get limit(): number {
    return this.lease + this.grace + 1000 + guardInterval * 1000 + 1000
  }

  host({ name }: Agent): Host {
    return this.lan.hosts.find(host => host.name === name) as Host
  }

  /** The service's definition. @param lease and @param grace in s */
  define(lease = this.lease / 1000, grace = this.grace / 1000, more: Record<string, unknown> = {}): DefinitionFile {
    return {
      name: 'work',
      id: 'work',
      partitions: { range: [0, kinds.length - 1] },
      run: { command: workerCommand(this.root) },
      lease: `${lease}s`,
      stop: { grace: `${grace}s` },
      guard: { interval: `${guardInterval}s` },
      ...(this.isRolling && { versions: rollingVersions }),
      ...more,
    }
  }

  /** Gives an agent another definition; by default the usual one. @param state another path of its state directory */
  async redefine(agent: Agent, definition = this.definition, state = agent.state): Promise<void> {
    await configure(agent, definition, '--home', this.homeOf(agent), '--state', state)
    await agent.reload()
  }

  /** The host's own copy of the release. */
  homeOf({ folder }: Agent): string {
    return join(folder, 'home')
  }

  /** All beats since the last call of `forget`. */
  beats = async (): Promise<Beat[]> => {
    return parseBeats(this.#read(this.#offset, statSync(this.#file).size).toString())
  }

  /** Drops the beats so far: they have been judged. */
  forget(): void {
    // From the start of a line.
    const { text, offset } = this.#tail()
    this.#offset = offset + text.lastIndexOf(10) + 1
    this.witness.clear()
  }

  /** The partitions without a beat in the last moment. */
  idle(): string[] {
    const owned = this.#owners()
    const beside = this.beside.length > 0 ? partitionsBeside() : []
    return [...this.partitions, ...beside].filter(partition => !owned.get(partition))
  }

  /** The partitions that have just beaten on an agent, and on no other since. */
  owned(agent: Agent): string[] {
    const owned = this.#owners()
    return this.partitions.filter(partition => owned.get(partition) === this.instance(agent))
  }

  #owners(): Map<string, string | null> {
    const { text } = this.#tail()
    const whole = text.toString().slice(text.indexOf(10) + 1)
    return owners(parseBeats(whole), bootClock())
  }

  /** The end of the beats file, with the beats of the last second or two. */
  #tail(): { text: Buffer; offset: number } {
    const size = statSync(this.#file).size
    const offset = Math.max(0, size - tailSize)
    return { text: this.#read(offset, size), offset }
  }

  #read(from: number, to: number): Buffer {
    const text = Buffer.alloc(to - from)
    const descriptor = openSync(this.#file, 'r')
    readSync(descriptor, text, 0, text.length, from)
    closeSync(descriptor)
    return text
  }

  instance(agent: Agent): string {
    return instanceOf(agent, this.definition)
  }

  /** Gives one of our paths to the agents' user. */
  async give(path: string): Promise<void> {
    await chown(path, this.#uid, this.#uid)
  }

  files(agent: Agent): InstanceFiles {
    return instanceFiles(agent.state, this.instance(agent))
  }

  /**
   * Waits until every client takes part, every partition beats, and one server may fail. The state directories are not
   * asked: on a full disk they lack facts of running partitions.
   */
  async settled(deadline = 120_000): Promise<void> {
    const instances = this.clients.map(agent => this.instance(agent)).sort()
    await until(
      'all partitions to run, and all instances to take part',
      async see => {
        const status = await statusOf(this.servers[0] as Agent, this.definition.name)
        const members = status.instances.filter(({ state }) => state === 'member').map(({ instance }) => instance)
        const idle = this.idle()
        see(`${status.summary}; members ${members.join(', ')}; no beats of ${idle.join(', ') || 'none'}`)
        return status.ok && members.sort().join() === instances.join() && idle.length === 0
      },
      { deadline, every: 200 },
    )
    // A server that returns votes only after 10 s. If another were cut off before that, the majority would be lost.
    await until(
      'all servers to vote',
      async see => see(await (await this.cluster.leader()).api<Autopilot>('GET', autopilot)).FailureTolerance === 1,
      { deadline: 60_000, every: 500 },
    )
  }

  /** Waits until everything runs on other agents than this one. @returns false when it does not in time */
  async takenOver(victim: Agent, deadline: number): Promise<boolean> {
    const others = this.clients.filter(agent => agent !== victim)
    const all = () => everywhere(this, others).size === kinds.length
    return until('a takeover', all, { deadline, every: 100 }).catch(() => false)
  }

  /** Undoes what an interrupted fault may have left behind. */
  async mend(): Promise<void> {
    for (const host of this.lan.hosts) {
      await host.group.thaw()
      host.group.starve(null)
      host.group.mayFork(true)
      await this.lan.plug(host)
    }
    await Promise.all(this.cluster.agents.map(agent => agent.pid === null && agent.start()))
  }

  async close({ keep = false }: { keep?: boolean } = {}): Promise<void> {
    this.witness.close()
    for (const { group } of this.lan.hosts) await group.thaw().catch(() => {})
    await Promise.all(this.cluster.agents.map(agent => agent.stop('SIGKILL')))
    for (const { group } of this.lan.hosts) await group.kill().catch(() => {})
    await killMarked(this.cluster.root)
    for (const { state } of this.clients) {
      const filter = (path: string) => !lstatSync(path).isFIFO() // `cp` refuses the clock's pipe
      if (keep && existsSync(state)) await cp(state, `${state}.kept`, { recursive: true, filter })
    }
    this.lan.close()
    await execa('umount', ['--recursive', '--lazy', this.root])
    await this.cluster.close({ keep })
    if (!keep) await rm(this.root, { recursive: true, force: true })
  }

  async #enter(): Promise<void> {
    await mkdir(join(this.root, 'store'))
    writeFileSync(this.#file, '')
    for (const path of [join(this.root, 'store'), this.#file]) await this.give(path)
    await makePerls(this.root)
    for (const agent of this.clients) {
      const options = `${stateSize},uid=${this.#uid},gid=${this.#uid}`
      await execa('mount', ['-t', 'tmpfs', '-o', options, 'watchbill-state', agent.state])
    }
    // Makes the release. Every host gets its own copy, because faults break it.
    await configure(this.clients[0] as Agent, this.definition)
    await Promise.all(
      this.clients.map(async agent => {
        const own = this.homeOf(agent)
        await mkdir(own)
        await execa('cp', ['-rs', `${home}/releases`, own]) // symbolic links: the files stay where they are
        await symlink(await readlink(`${home}/current`), `${own}/current`)
        await this.redefine(agent)
        for (const definition of this.beside) await this.redefine(agent, definition)
      }),
    )
    await this.settled()
  }
}
