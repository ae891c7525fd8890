/** What happens while the producer produces: a consumer dies, a machine freezes and dies, wakes up, and comes back. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isAlive, type Process, parseProcess, signal } from '../../lib/machine/identity.ts'
import { readLine } from '../../lib/state/facts.ts'
import type { PartitionFiles } from '../../lib/state/partition-paths.ts'
import { instanceFiles } from '../../lib/state/paths.ts'
import type { Agent, Cluster } from '../../test/lab/cluster.ts'
import { type DefinitionFile, install, instanceOf } from '../../test/lab/install.ts'
import { until } from '../../test/lab/until.ts'
import { nodeOf } from './look.ts'
import { type Redis, RedisError } from './redis.ts'
import { say, type View } from './view.ts'
import { streams } from './words.ts'

export interface Stage {
  readonly cluster: Cluster
  readonly definition: DefinitionFile
  readonly redis: Redis
  readonly view: View
}

const patience = { deadline: 90_000, every: 100 }

export async function play(stage: Stage): Promise<void> {
  const { agents } = stage.cluster
  await Promise.all(agents.map(agent => install(agent, stage.definition)))
  await shared(stage, agents)
  const victim = stage.cluster.agent('a2')
  const others = agents.filter(agent => agent !== victim)
  await killConsumer(stage, stage.cluster.agent('a1'))
  const sleeper = freeze(stage, victim)
  await killAgent(victim)
  await shared(stage, others)
  await wake(stage, sleeper)
  await replay(stage, sleeper.stream)
  await comeBack(stage, victim)
}

/** Waits until these agents, and no other, have all streams, and none has more than one above its share. */
async function shared({ view }: Stage, agents: readonly Agent[]): Promise<void> {
  const names = agents.map(({ name }) => name)
  const [least, most] = [Math.floor(streams.length / names.length), Math.ceil(streams.length / names.length)]
  await until(
    `the streams to be shared by ${names.join(', ')}`,
    see => {
      const nodes = see(view.looks().map(nodeOf))
      const loads = names.map(name => nodes.filter(node => node === name).length)
      const all = nodes.length > 0 && nodes.every(node => names.includes(node))
      return all && loads.every(load => load >= least && load <= most)
    },
    patience,
  )
}

async function killConsumer(stage: Stage, agent: Agent): Promise<void> {
  const stream = streamOn(stage, agent)
  const files = filesOf(stage, agent, stream)
  const before = processIn(files.process)
  const told = lines(files).length
  say(`kill -9 ${before.pid}, the consumer of ${stream} on ${agent.name}`)
  signal(before, 'SIGKILL')
  await until('its shepherd to start it again', () => lines(files).length > told, patience)
  say(`   it runs again: ${lines(files).at(-1)}`)
}

interface Sleeper {
  readonly stream: string
  readonly files: PartitionFiles
  readonly shepherd: Process
  readonly consumer: Process
}

/** What a paused virtual machine does to a consumer: neither it nor its shepherd can see that its time is over. */
function freeze(stage: Stage, agent: Agent): Sleeper {
  const stream = streamOn(stage, agent)
  const files = filesOf(stage, agent, stream)
  const [shepherd, consumer] = [processIn(files.shepherd), processIn(files.process)]
  say(`freeze ${consumer.pid}, the consumer of ${stream} on ${agent.name}, and its shepherd (SIGSTOP)`)
  wakeAfterUs(shepherd, consumer)
  signal(shepherd, 'SIGSTOP')
  signal(consumer, 'SIGSTOP')
  return { stream, files, shepherd, consumer }
}

/** Should we be killed hard meanwhile, nobody else would ever wake them; awake, they end by themselves. */
function wakeAfterUs(...frozen: Process[]): void {
  const script = 'while kill -s 0 "$0"; do sleep 1; done; kill -s CONT "$@"'
  const pids = [process.pid, ...frozen.map(({ pid }) => pid)].map(String)
  spawn('sh', ['-c', script, ...pids], { detached: true, stdio: 'ignore' }).unref()
}

async function killAgent(agent: Agent): Promise<void> {
  say(`kill -9 ${agent.pid}, the Consul agent of ${agent.name}: nobody renews its lease any more`)
  await agent.stop('SIGKILL')
}

/** The stale owner goes on where it was, and commits what it has in its hands. What comes of it, the verdict says. */
async function wake({ redis }: Stage, { stream, files, consumer, shepherd }: Sleeper): Promise<void> {
  const before = await refusals(redis, stream)
  say(`wake ${consumer.pid} (SIGCONT): it still believes that ${stream} is its own, and writes`)
  signal(consumer, 'SIGCONT')
  const stopped = await until('it to stop', () => !isAlive(consumer), { deadline: 5000 }).catch(() => false)
  const refused = (await refusals(redis, stream)) > before
  say(stopped && refused ? `   ${lines(files).at(-1)}` : '   it was NOT refused')
  signal(shepherd, 'SIGCONT')
}

/** The same by hand, with the token of an earlier owner. */
async function replay({ redis, view }: Stage, stream: string): Promise<void> {
  const owners = view.looks().find(look => look.stream === stream)?.owners ?? []
  const [first, last] = [owners[0], owners.at(-1)]
  if (!first || !last || first === last) throw new Error(`${stream} had no earlier owner: ${JSON.stringify(owners)}`)
  say(`replay a write to ${stream} with token ${first.token} of ${first.instance}, where ${last.token} has been`)
  const answer = await commit(redis, stream, first.token, first.instance, ['0-1', 'forged']).catch(error => error)
  say(answer instanceof RedisError ? `   Redis: (error) ${answer.message}` : `   it was NOT refused: ${answer}`)
}

async function comeBack(stage: Stage, agent: Agent): Promise<void> {
  say(`${agent.name} comes back: streams are handed over to it`)
  await agent.start()
  await shared(stage, stage.cluster.agents)
}

const script = readFileSync(join(import.meta.dirname, 'commit.lua'), 'utf8')

/** What a consumer does: ids and words, in turn. @throws RedisError when the token is refused */
export function commit(redis: Redis, stream: string, token: string, owner: string, entries: string[]) {
  const keys = ['progress', 'counts', 'ledger', 'owners'].map(name => `${stream}:${name}`)
  return redis.send('EVAL', script, keys.length, ...keys, token, owner, ...entries)
}

async function refusals(redis: Redis, stream: string): Promise<number> {
  return Number((await redis.send('HGET', `${stream}:progress`, 'refused')) ?? 0)
}

function streamOn({ view }: Stage, agent: Agent): string {
  const look = view.looks().find(look => nodeOf(look) === agent.name)
  if (look) return look.stream
  throw new Error(`${agent.name} has no stream`)
}

function filesOf({ definition }: Stage, agent: Agent, stream: string): PartitionFiles {
  const partition = stream.slice('words:'.length)
  return instanceFiles(agent.state, instanceOf(agent, definition)).partition(partition)
}

function processIn(file: string): Process {
  const process = parseProcess(readLine(file))
  if (process) return process
  throw new Error(`no process in ${file}`)
}

/** What the consumer printed. */
function lines({ output }: PartitionFiles): string[] {
  return readFileSync(output, 'utf8').trim().split('\n')
}
