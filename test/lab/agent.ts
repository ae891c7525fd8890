/** One Consul agent of a lab: its folder, its settings, its process. */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { chmod, chown, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import { type Dispatcher, request, Agent as Sockets } from 'undici'
import { loopback, type Place } from './place.ts'
import { asNamedBy, labSettings, type Settings } from './settings.ts'
import { until } from './until.ts'

export type Environment = Record<string, string>
export type EnvironmentOption = Environment | ((agent: Agent) => Environment)

export interface AgentOptions {
  server?: boolean
  /** Consul settings laid over the lab's own; Consul merges them, lists are appended. */
  settings?: Settings
  /** Added to what the agent, and so every handler it runs, has in its environment. */
  env?: EnvironmentOption
  /** The lab's own token when access is controlled; nothing that the agent runs gets it. */
  token?: string
  /** The user to run it as, when the lab is root's; its folder becomes that user's. */
  uid?: number
  /** Serve DNS, on `dnsPort`. */
  dns?: boolean
  logLevel?: 'trace' | 'debug' | 'info' | 'warn' | 'err'
}

/** The lab's properties that an agent needs. */
export interface Surroundings {
  root: string
  consul: string
  /** Consul's version, such as 1.8.7. */
  version: string
  /** The program that ends the agent when this process ends (setpriv); null when there is none. */
  setpriv: string | null
  settings: Settings
  agents: Agent[]
  /** Where the agent of this name runs; on loopback unless said. */
  place?: ((name: string) => Promise<Place>) | undefined
}

/** An answer of Consul with a status from 400 on. */
export class Refused extends Error {
  override name = 'Refused'
  readonly status: number
  readonly text: string

  constructor(request: string, status: number, text: string) {
    super(`${request}: ${status} ${text.trim()}`)
    this.status = status
    this.text = text
  }
}

export class Agent {
  readonly name: string
  readonly server: boolean
  readonly folder: string
  /** Where instance configurations are dropped. Consul first runs a new script check at any time within its interval. */
  readonly configDir: string
  /** For WATCHBILL_STATE and WATCHBILL_CONFIG; the lab itself puts nothing there. */
  readonly state: string
  readonly etc: string
  readonly log: string
  /** For what runs where the agent runs: http://127.0.0.1:port */
  readonly http: string
  /** For us, who may be on another network; as CONSUL_HTTP_ADDR takes it. */
  readonly control: string
  readonly dnsPort: number | null
  /** The addresses of its gossip and, on a server, of its RPC, which is what Consul names a leader by. */
  readonly serf: string
  readonly rpc: string
  /** Takes effect at the next start. */
  env: Environment
  readonly place: Place
  readonly #sockets: Dispatcher
  #options: AgentOptions
  #lab: Surroundings
  #process: ChildProcess | null = null

  constructor(name: string, options: AgentOptions, place: Place, lab: Surroundings) {
    this.name = name
    this.server = options.server ?? false
    this.folder = join(lab.root, name)
    this.configDir = join(this.folder, 'consul.d')
    this.state = join(this.folder, 'state')
    this.etc = join(this.folder, 'etc')
    this.log = join(this.folder, 'consul.log')
    const { ports, address, socket } = place
    this.http = `http://127.0.0.1:${ports.http}`
    this.control = socket === null ? this.http : `unix://${socket}`
    this.dnsPort = ports.dns > 0 ? ports.dns : null
    this.serf = `${address}:${ports.serf_lan}`
    this.rpc = `${address}:${ports.server}`
    this.place = place
    this.#sockets = new Sockets(socket === null ? {} : { connect: { socketPath: socket } })
    this.#options = options
    this.#lab = lab
    this.env = { ...cleanEnvironment(lab.root), ...environmentOf(this, options.env) }
  }

  /** Consul's own pid; null while it does not run. */
  get pid(): number | null {
    return this.#process?.pid ?? null
  }

  /** setpriv's arguments to become the agent's user; empty when it is our own user. */
  get user(): readonly string[] {
    const { uid } = this.#options
    return uid === undefined ? [] : ['--reuid', `${uid}`, '--regid', `${uid}`, '--clear-groups']
  }

  /** Starts Consul and waits until the cluster knows this agent as a passing member. */
  async start(): Promise<void> {
    if (this.#process) throw new Error(`cannot start ${this.name}: it runs already, as pid ${this.pid}`)
    await this.#writeSettings()
    this.#process = this.#spawn()
    await this.#passing()
  }

  /** Signals Consul by its pid and waits until it is gone. Nothing is done when it does not run. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.#process?.kill(signal)
    await until(`${this.name} (pid ${this.pid}) to end after ${signal}`, () => this.pid === null, { every: 10 })
  }

  /** `consul reload`. */
  async reload(): Promise<void> {
    await this.consul('reload')
  }

  /** One of Consul's commands, asked of this agent. */
  async consul(...command: string[]): Promise<void> {
    const { token } = this.#options
    const own = { CONSUL_HTTP_ADDR: this.control, ...(token !== undefined && { CONSUL_HTTP_TOKEN: token }) }
    const env = { ...cleanEnvironment(this.#lab.root), ...own }
    await execa(this.#lab.consul, command, { env, extendEnv: false })
  }

  /**
   * One request to this agent. A body that is not a string goes as JSON; an answer that is not JSON comes as a string.
   * @throws Refused from status 400 on; undici's errors when the agent does not answer
   */
  async api<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await request(this.http + path, {
      dispatcher: this.#sockets,
      method: method as 'GET',
      headers: this.#options.token === undefined ? {} : { 'x-consul-token': this.#options.token },
      body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
      // Agents come and go under us; a kept connection would fail the first request after a restart.
      reset: true,
      headersTimeout: 60_000,
    })
    const text = await response.body.text()
    if (response.statusCode >= 400) throw new Refused(`${method} ${this.http}${path}`, response.statusCode, text)
    const isJson = String(response.headers['content-type']).startsWith('application/json')
    return (isJson ? JSON.parse(text) : text) as T
  }

  async #writeSettings(): Promise<void> {
    const own = join(this.folder, 'settings')
    for (const folder of [own, this.configDir, this.state, this.etc]) await mkdir(folder, { recursive: true })
    const layers = { '1-lab': this.#labSettings(), '2-cluster': this.#lab.settings, '3-agent': this.#options.settings }
    for (const [name, settings = {}] of Object.entries(layers)) {
      await writeFile(join(own, `${name}.json`), JSON.stringify(asNamedBy(this.#lab.version, settings), null, 2))
    }
    const { uid } = this.#options
    if (uid !== undefined) await giveAway([this.#lab.root, this.folder, own, this.configDir, this.state, this.etc], uid)
  }

  #labSettings(): Settings {
    const { agents, version } = this.#lab
    return labSettings({
      name: this.name,
      data: join(this.folder, 'data'),
      place: this.place,
      logLevel: this.#options.logLevel ?? 'warn',
      expect: this.server ? agents.filter(({ server }) => server).length : null,
      peers: agents.filter(agent => agent !== this).map(({ serf }) => serf),
      version,
    })
  }

  #spawn(): ChildProcess {
    const { consul, setpriv } = this.#lab
    const { user } = this
    const folders = [`-config-dir=${join(this.folder, 'settings')}`, `-config-dir=${this.configDir}`]
    const command = [consul, 'agent', ...folders]
    // setpriv becomes Consul, so the pid is Consul's own. Without it, an agent outlives a test that is killed hard.
    const tied = setpriv ? [setpriv, ...user, '--pdeathsig', 'KILL', ...command] : command
    const [file = '', ...args] = [...this.place.enter, ...tied]
    // The log is the agent's own descriptor: through a pipe of ours, a paused test would block the agent.
    const log = openSync(this.log, 'a')
    // A session of its own, as under systemd: Ctrl-C reaches only the test, and a signal to the agent's group does not reach us.
    const stdio: StdioOptions = ['ignore', log, log]
    const child = spawn(file, args, { cwd: this.folder, env: this.env, stdio, detached: true })
    closeSync(log)
    return this.#followed(child)
  }

  #followed(child: ChildProcess): ChildProcess {
    running.add(child)
    // Does not keep a test alive that forgot to close its cluster.
    child.unref()
    child.once('exit', () => {
      running.delete(child)
      this.#process = null
    })
    return child
  }

  async #passing(): Promise<void> {
    const child = this.#process
    const what = `${this.name} to be a passing member, see ${this.log}`
    const outcome = await until(
      what,
      async see => (this.#process === child ? see(await this.#serfHealth()) === 'passing' && 'passing' : 'ended'),
      { deadline: 20_000 },
    )
    if (outcome === 'ended') throw new Error(`${this.name} ended while starting: ${lastLines(this.log)}`)
  }

  async #serfHealth(): Promise<string | undefined> {
    const checks = await this.api<{ CheckID: string; Status: string }[]>('GET', `/v1/health/node/${this.name}`)
    return checks.find(({ CheckID }) => CheckID === 'serfHealth')?.Status
  }
}

/** Agents do not outlive a test that ends by itself without closing its cluster, setpriv or not. */
const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** The lab's own folder only lets that user through. */
async function giveAway([root = '', ...folders]: readonly string[], uid: number): Promise<void> {
  await chmod(root, 0o711)
  for (const folder of folders) await chown(folder, uid, uid)
}

/** Creates the folder of an agent; starts nothing. */
export async function makeAgent(name: string, options: AgentOptions, lab: Surroundings): Promise<Agent> {
  const place = await (lab.place?.(name) ?? loopback(options.dns ?? false))
  return new Agent(name, options, place, lab)
}

export function environmentOf(agent: Agent, option: EnvironmentOption = {}): Environment {
  return option instanceof Function ? option(agent) : option
}

/** The environment variable that identifies every process started by a lab's agents. */
export const mark = 'WATCHBILL_LAB'

/** Handlers get this Node, whatever the machine's own is. */
function cleanEnvironment(root: string): Environment {
  const { PATH = '/usr/bin:/bin', HOME = '/' } = process.env
  return { PATH: `${dirname(process.execPath)}:${PATH}`, HOME, [mark]: root }
}

function lastLines(log: string): string {
  return readFileSync(log, 'utf8').trim().split('\n').slice(-5).join(' | ')
}
