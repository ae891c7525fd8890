/** What happens while events are delivered: machines share, subscriptions come, go and change, the API fails, a worker and a machine die. */
import { Consul } from '../../lib/consul/http.ts'
import { type Process, parseProcess, signal } from '../../lib/machine/identity.ts'
import { readStatus, type Status } from '../../lib/operate/status/status.ts'
import { readLine } from '../../lib/state/facts.ts'
import { instanceFiles } from '../../lib/state/paths.ts'
import type { Agent, Cluster } from '../../test/lab/cluster.ts'
import { type DefinitionFile, install, instanceOf } from '../../test/lab/install.ts'
import { until } from '../../test/lab/until.ts'
import type { Delivery } from './verdict.ts'
import { nodesOf } from './view.ts'
import { now, pathOf, type World } from './world.ts'

export interface Stage {
  readonly cluster: Cluster
  readonly definition: DefinitionFile
  readonly world: World
  /** Of the API. */
  readonly url: string
  readonly say: (line: string) => void
}

const patience = { deadline: 60_000, every: 100 }
const [coming, going] = [10, 10]

export async function play(stage: Stage): Promise<void> {
  const { agents } = stage.cluster
  for (const [i, agent] of agents.entries()) {
    stage.say(`${agent.name} joins`)
    await install(agent, stage.definition)
    await shared(stage, agents.slice(0, i + 1))
  }
  await replay(stage)
  await comeAndGo(stage)
  await change(stage)
  await outage(stage)
  await killWorker(stage, agents[2] as Agent)
  await killMachine(stage, agents[1] as Agent)
}

/** Waits until all subscriptions are delivered by these agents, and none has more than one above its share. */
async function shared({ world }: Stage, agents: readonly Agent[]): Promise<void> {
  const names = agents.map(({ name }) => name)
  const count = world.listed().length
  const [least, most] = [Math.floor(count / names.length), Math.ceil(count / names.length)]
  await until(
    `the subscriptions to be shared by ${names.join(', ')}`,
    see => {
      const nodes = [...nodesOf(world).values()]
      const loads = see(names.map(name => nodes.filter(node => node === name).length))
      const all = nodes.length === count && nodes.every(node => names.includes(node))
      return all && loads.every(load => load >= least && load <= most)
    },
    patience,
  )
}

/** What a machine that slept through its own end would do. */
async function replay(stage: Stage): Promise<void> {
  const { world, url, say } = stage
  const last = world.last()
  const earlier = world.deliveries.find(({ subscription, token }) => token !== last.get(subscription)?.token)
  if (!earlier) throw new Error('no subscription had an earlier owner')
  const { subscription, instance, pid, token, event } = earlier
  say(`replay a write to the cursor of ${subscription} by ${instance}, which had it before`)
  const headers = { instance, pid: String(pid), token }
  const body = JSON.stringify({ cursor: event })
  world.replayed++
  const answer = await fetch(`${url}/cursor/${subscription}`, { method: 'PUT', headers, body })
  say(`   the API: ${answer.status} ${await answer.text()}`)
}

async function comeAndGo(stage: Stage): Promise<void> {
  const { world, url, say } = stage
  const count = world.listed().length
  const come = Array.from({ length: coming }, (_, i) => `s${count + 1 + i}`)
  const gone = world
    .listed()
    .slice(0, going)
    .map(({ id }) => id)
  say(`${coming} subscriptions are added, and ${going} removed, at the API; nobody tells watchbill`)
  const at = now()
  for (const id of come) await api(stage, 'POST', '/subscriptions', { id, url: `${url}/hook/${id}` })
  for (const id of gone) await api(stage, 'DELETE', `/subscriptions/${id}`)
  const begun = until('the new ones to be delivered', () => come.every(id => world.last().get(id)), patience)
  const ended = until(
    'the removed ones to be given up',
    async see => {
      const { partitions } = await statusOf(stage)
      return see(partitions.filter(({ partition }) => gone.includes(partition))).length === 0
    },
    patience,
  )
  await Promise.all([
    begun.then(() => say(`   all new ones are delivered after ${since(at)}`)),
    ended.then(() => {
      world.took(gone)
      say(`   nobody has the removed ones any more after ${since(at)}`)
    }),
  ])
}

async function change(stage: Stage): Promise<void> {
  const { world, url, say } = stage
  const id = world.listed()[0]?.id as string
  const next = `${url}/hook/${id}/new`
  say(`the URL of ${id} changes to ${pathOf(next)}`)
  const at = now()
  await api(stage, 'PATCH', `/subscriptions/${id}`, { url: next })
  await until('an event to go there', () => world.last().get(id)?.url === pathOf(next), patience)
  say(`   its events go there after ${since(at)}`)
}

async function outage(stage: Stage): Promise<void> {
  const { world, say } = stage
  say('the API answers 500 to whoever asks for the subscriptions')
  const from = now()
  world.failing = true
  const why = await until('status to say why', async see => see((await statusOf(stage)).problem), patience)
  say(`   status: ${why}`)
  const later = now()
  await until('an event for each all the same', () => latest(world).every(({ at }) => at > later), patience)
  world.outages.push({ from, to: now() })
  say('   an event was delivered for each all the same; the API answers again')
  world.failing = false
  await until('status to say that all is well', async see => see(await statusOf(stage)).ok, patience)
}

async function killWorker(stage: Stage, agent: Agent): Promise<void> {
  const { world, say } = stage
  const { worker, load } = await inFlight(stage, agent)
  say(`kill -9 ${worker.pid}, the worker of ${agent.name}, ${load}`)
  world.killed.push(worker.pid)
  signal(worker, 'SIGKILL')
  const at = now()
  await until('all of them to be delivered again', () => latest(world).every(({ pid }) => pid !== worker.pid), patience)
  say(`   all of them are delivered again after ${since(at)}, by ${processIn(filesOf(stage, agent).process).pid}`)
}

/** The power is cut: agent, shepherd and worker end at once, and nothing is given back. */
async function killMachine(stage: Stage, agent: Agent): Promise<void> {
  const { cluster, world, say } = stage
  const { worker, load } = await inFlight(stage, agent)
  say(`kill -9 everything on ${agent.name}: its agent, and its worker ${load}`)
  world.killed.push(worker.pid)
  signal(processIn(filesOf(stage, agent).shepherd), 'SIGKILL')
  signal(worker, 'SIGKILL')
  const at = now()
  await agent.stop('SIGKILL')
  const others = cluster.agents.filter(other => other !== agent)
  await shared(stage, others)
  say(`   all of them are delivered by ${others.map(({ name }) => name).join(' and ')} after ${since(at)}`)
}

/** Until the endpoint has taken an event of that agent's worker and not answered yet: nobody can know then whether it did. */
async function inFlight(stage: Stage, agent: Agent): Promise<{ worker: Process; load: string }> {
  const { world } = stage
  const worker = processIn(filesOf(stage, agent).process)
  const own = latest(world).filter(({ pid }) => pid === worker.pid)
  const subscription = own[0]?.subscription ?? null
  world.unanswered = subscription
  await until('a delivery to be in flight', () => world.unanswered === null, { ...patience, every: 5 })
  return { worker, load: `with ${own.length} subscriptions, a delivery of ${subscription} in flight` }
}

function filesOf({ definition }: Stage, agent: Agent) {
  return instanceFiles(agent.state, instanceOf(agent, definition)).worker
}

function processIn(file: string): Process {
  const process = parseProcess(readLine(file))
  if (process) return process
  throw new Error(`no process in ${file}`)
}

function latest(world: World): Delivery[] {
  return [...world.last().values()].filter(last => last !== undefined)
}

async function api({ url }: Stage, method: string, path: string, content?: unknown): Promise<void> {
  const answer = await fetch(url + path, {
    method,
    ...(content === undefined ? {} : { body: JSON.stringify(content) }),
  })
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
}

/** What `watchbill status webhooks --json` prints. */
async function statusOf({ cluster, definition }: Stage): Promise<Status> {
  const consul = new Consul({ env: { CONSUL_HTTP_ADDR: cluster.agents[0]?.http } })
  try {
    return await readStatus(consul, definition.name)
  } finally {
    consul.close()
  }
}

function since(at: number): string {
  return `${((now() - at) / 1000).toFixed(1)} s`
}
