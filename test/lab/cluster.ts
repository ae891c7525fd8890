/** A Consul cluster of real agents on this machine, on loopback, under one temporary folder. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import {
  type Agent,
  type AgentOptions,
  type Environment,
  environmentOf,
  makeAgent,
  type Surroundings,
} from './agent.ts'
import { consulBinary } from './consul.ts'
import { killMarked, marked } from './marked.ts'
import { until } from './until.ts'

export { Agent, type AgentOptions, Refused } from './agent.ts'
export { tunedGossip } from './settings.ts'

export interface ClusterOptions extends Omit<AgentOptions, 'server'> {
  /** How many servers, named s1, s2, …; 1 unless said. */
  servers?: number
  /** How many agents beside them, named a1, a2, …, or their names; 2 unless said. */
  clients?: number | string[]
  /** Options for single agents, by name, which override the options for all. */
  agents?: Record<string, AgentOptions>
  /** In which folder to make the lab's own; the system's temporary one unless said. */
  parent?: string
  /** Where each agent runs, by its name; on loopback unless said. */
  place?: Surroundings['place']
  say?: (line: string) => void
}

/** Starts the agents, all at once, and waits until each is a passing member. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const cluster = new Cluster(await surroundings(options), options)
  try {
    await cluster.start()
    return cluster
  } catch (error) {
    await cluster.close({ keep: true })
    throw error
  }
}

export class Cluster {
  readonly root: string
  readonly agents: Agent[]
  #lab: Surroundings
  #options: ClusterOptions
  #closed = false

  constructor(lab: Surroundings, options: ClusterOptions) {
    this.root = lab.root
    this.agents = lab.agents
    this.#lab = lab
    this.#options = options
  }

  /** The agents that the options name. */
  async start(): Promise<void> {
    const { servers = 1, clients = 2 } = this.#options
    const names = Array.isArray(clients) ? clients : numbered('a', clients)
    for (const name of numbered('s', servers)) await this.#make(name, { server: true })
    for (const name of names) await this.#make(name)
    // Wait for all: after a failed start the others would otherwise go on starting.
    const outcomes = await Promise.allSettled(this.agents.map(agent => agent.start()))
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }

  agent(name: string): Agent {
    const agent = this.agents.find(agent => agent.name === name)
    if (agent) return agent
    throw new Error(`no agent ${name} in this lab; there are ${this.agents.map(({ name }) => name).join(', ')}`)
  }

  /** One more agent, started. */
  async add(name: string, options: AgentOptions = {}): Promise<Agent> {
    const agent = await this.#make(name, options)
    await agent.start()
    return agent
  }

  /** The agent that is Raft's leader, once there is one. */
  async leader(): Promise<Agent> {
    return until('a leader', async see => {
      // The servers know it themselves; a client that is cut off would not answer.
      const running = this.agents.filter(({ pid, server }) => server && pid !== null)
      const answers = await Promise.all(
        running.map(agent => agent.api<string>('GET', '/v1/status/leader').catch(() => '')),
      )
      see(answers)
      return running.find(agent => answers.includes(agent.rpc))
    })
  }

  /** The processes, other than the agents, that came from this lab and still run: handlers, shepherds, workers. */
  async strays(): Promise<number[]> {
    const agents = this.agents.map(({ pid }) => pid)
    return (await marked(this.root)).filter(pid => !agents.includes(pid))
  }

  /**
   * Ends every agent and everything they left behind, then removes the folder, unless it is to be kept (`keep`, or
   * KEEP_LAB in the environment): then says where it is.
   */
  async close({ keep = Boolean(process.env.KEEP_LAB) }: { keep?: boolean } = {}): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await Promise.all(this.agents.map(agent => agent.stop('SIGKILL')))
    await killMarked(this.root)
    if (keep) console.error(`the lab is kept in ${this.root}`)
    else await rm(this.root, { recursive: true, force: true })
  }

  async #make(name: string, own: AgentOptions = {}): Promise<Agent> {
    if (this.agents.some(agent => agent.name === name)) throw new Error(`this lab has an agent ${name} already`)
    const { dns, logLevel, token, agents } = this.#options
    const env = (agent: Agent) => this.#environment(agent, own)
    const agent = await makeAgent(name, { dns, logLevel, token, ...agents?.[name], ...own, env }, this.#lab)
    this.agents.push(agent)
    return agent
  }

  #environment(agent: Agent, own: AgentOptions): Environment {
    const { env, agents } = this.#options
    const layers = [env, agents?.[agent.name]?.env, own.env]
    return Object.assign({}, ...layers.map(layer => environmentOf(agent, layer)))
  }
}

function numbered(letter: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${letter}${i + 1}`)
}

async function surroundings({ say, settings = {}, parent = tmpdir(), place }: ClusterOptions): Promise<Surroundings> {
  const consul = await consulBinary(say ?? console.error)
  const [{ stdout }, setpriv] = await Promise.all([execa(consul, ['version']), findSetpriv()])
  const version = /v(\d+\.\d+\.\d+)/.exec(stdout)?.[1] ?? ''
  const root = await mkdtemp(join(parent, 'watchbill-lab-'))
  return { root, consul, version, setpriv, settings, agents: [], place }
}

/** util-linux's, new enough for --pdeathsig (2.33); busybox has a setpriv without it. */
async function findSetpriv(): Promise<string | null> {
  const { failed } = await execa('setpriv', ['--pdeathsig', 'KILL', 'true'], { reject: false })
  return failed ? null : 'setpriv'
}
