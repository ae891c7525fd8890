/** One size of the bench: a cluster that is filled, with one real instance in it, and what everything costs there. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { bootClock } from '../../../lib/base/clock.ts'
import { Consul } from '../../../lib/consul/http.ts'
import { base64, transact } from '../../../lib/consul/kv.ts'
import { digest, sharedDigest } from '../../../lib/definition/digest.ts'
import { loadDefinition } from '../../../lib/definition/load.ts'
import { readFact, removeFact } from '../../../lib/state/facts.ts'
import { instanceFiles } from '../../../lib/state/paths.ts'
import { processes } from '../../cluster/stage.ts'
import { type Agent, startCluster } from '../../lab/cluster.ts'
import { configure, guardCommand, home, instanceOf } from '../../lab/install.ts'
import { until } from '../../lab/until.ts'
import { measure, median, type Progress, plainEnv } from '../bench.ts'
import { cgroupOf } from '../cgroups/cgroup.ts'
import { type Counted, counted, since, type Traffic } from './counted.ts'
import {
  type Digests,
  type Fake,
  fill,
  givenBack,
  idOf,
  keys,
  memberKey,
  register,
  type Size,
  seen,
  service,
  takenBy,
  withSession,
} from './filled.ts'

const definition = { name: service, partitions: { byHand: true }, run: { command: ['sleep', '100000'] } }
const quietSeconds = 60
/** How long the server is watched that nobody asks anything, s. */
const idleSeconds = 20

/** What something costs, each time: seconds, MiB, and the server's seconds for it: without what it takes when nobody asks. */
export interface Cost extends Traffic {
  readonly wall: number
  readonly cpu: number
  readonly server: number
  readonly memory: number
}

export type Act = 'tick' | 'index' | 'look' | 'status' | 'status --check' | 'owner' | 'drain' | 'restart'

export interface Figures {
  readonly size: Size
  readonly costs: Readonly<Record<Act, Cost>>
  /** Of a minute in which nothing happened, per second. */
  readonly rest: Traffic & { readonly cpu: number; readonly server: number }
  /** Cores that the server needs by itself, with all those keys and sessions, when nobody asks: gossip, Raft, timers. */
  readonly idle: number
  /** What one instance asks for because of it. */
  readonly changes: Readonly<Record<'joins' | 'moves', Traffic & { readonly server: number }>>
}

export async function measureOne(size: Size, progress: Progress): Promise<Figures> {
  const cluster = await startCluster({ clients: ['real', 'others'] })
  const proxies: Counted[] = []
  try {
    const [server, real, others] = cluster.agents as [Agent, Agent, Agent]
    const [watched, byHand] = [await counted(real.http), await counted(real.http)]
    proxies.push(watched, byHand)
    await configure(real, definition, '--http-addr', watched.url)
    const loaded = await loadDefinition(join(real.etc, `${service}.json`))
    const digests = { digest: digest(loaded), shared: sharedDigest(loaded) }
    const fakes = await fill(others, size, digests, progress)
    progress(`${idleSeconds} s in which nobody asks anything`)
    const idle = await idleOf(server)
    progress('the real instance joins')
    await real.reload()
    const own = Math.floor(size.partitions / size.instances)
    const files = instanceFiles(real.state, instanceOf(real, definition))
    await until('its partitions to run', see => see(processes(real, definition).size) >= own, {
      deadline: 120_000,
      every: 200,
    })
    const atRest = () =>
      until('it to be at rest', () => readFact(files.rest) !== null, { deadline: 300_000, every: 200 })
    await atRest()

    const rounds = size.partitions > 20_000 ? 3 : 9
    const costs: Partial<Record<Act, Cost>> = {}
    for (const [act, argv, prepare] of actsOf(real, byHand.url, files.looked)) {
      progress(`${act}: ${rounds} rounds`)
      await atRest()
      // Another address would be another Consul, in which everything may be different: what an instance runs has its own.
      const proxy = argv.includes(watched.url) ? watched : byHand
      costs[act] = await costOf(server, idle, proxy, rounds, argv, prepare)
    }
    await atRest()
    progress(`${quietSeconds} s in which nothing happens`)
    const rest = await quiet(real, server, watched)
    const changes = await changed(others, server, watched, { fakes, digests, size, rest: files.rest, progress })
    return { size, costs: costs as Record<Act, Cost>, rest, idle, changes }
  } finally {
    for (const proxy of proxies) proxy.close()
    await cluster.close()
  }
}

type Asked = readonly [Act, string[], prepare?: () => void]

function actsOf(real: Agent, url: string, looked: string): Asked[] {
  const guard = guardCommand(real, definition)
  const interval = guard.indexOf('--interval')
  const reconcile = [...guard.slice(0, interval), ...guard.slice(interval + 2)].map(word =>
    word.replace(/\bguard(?=(\.[a-z]+)?$)/, 'reconcile'),
  )
  const operator = (name: string, ...args: string[]) => [
    join(home, 'current/watchbill'),
    name,
    service,
    ...args,
    '--http-addr',
    url,
  ]
  return [
    ['tick', guard],
    ['index', guard, () => removeFact(looked)],
    ['look', reconcile],
    ['status', operator('status')],
    ['status --check', operator('status', '--check')],
    ['owner', operator('owner', idOf(1))],
    ['drain', operator('drain', instanceOf(real, definition), '--dry-run')],
    ['restart', operator('restart', idOf(1), '--dry-run')],
  ]
}

async function costOf(
  server: Agent,
  idle: number,
  proxy: Counted,
  rounds: number,
  argv: string[],
  prepare = () => {},
): Promise<Cost> {
  const all: Cost[] = []
  for (let round = 0; round <= rounds; round++) {
    prepare()
    const [before, busy] = [proxy.now(), cpuOf(server)]
    const { wall, cpu } = await measure({ name: argv.join(' '), argv })
    const asked = since(before, proxy.now())
    // The first fills caches.
    const own = Math.max(0, cpuOf(server) - busy - (idle * wall) / 1000)
    if (round > 0) all.push({ ...asked, wall: wall / 1000, cpu: cpu / 1000, server: own, memory: 0 })
  }
  prepare()
  const middle = (of: (cost: Cost) => number) => median(all.map(of))
  return {
    requests: middle(one => one.requests),
    bytes: middle(one => one.bytes),
    wall: middle(one => one.wall),
    cpu: middle(one => one.cpu),
    server: middle(one => one.server),
    memory: await peakOf(argv),
  }
}

/** The most memory that a program had, MiB: as the kernel said last, just before it ended. */
async function peakOf([file = '', ...args]: readonly string[]): Promise<number> {
  const child = spawn(file, args, { stdio: 'ignore', env: plainEnv() })
  const ended = once(child, 'exit')
  let most = 0
  await until(
    'the program to end',
    () => {
      const status = child.exitCode === null ? statusOf(child.pid as number) : ''
      most = Math.max(most, Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0))
      return child.exitCode !== null
    },
    { deadline: 120_000, every: 2 },
  )
  await ended
  return most / 1024
}

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8')
  } catch {
    return ''
  }
}

async function idleOf(server: Agent): Promise<number> {
  const [from, busy] = [bootClock(), cpuOf(server)]
  await passing(idleSeconds)
  return ((cpuOf(server) - busy) / (bootClock() - from)) * 1000
}

/** The agent's own threads are not the instance's; what it starts is. */
async function quiet(real: Agent, server: Agent, proxy: Counted): Promise<Figures['rest']> {
  const group = cgroupOf([real.pid as number])
  const own = () => group.cpuSeconds() - cpuOf(real)
  const [from, cpu, busy, before] = [bootClock(), own(), cpuOf(server), proxy.now()]
  await passing(quietSeconds)
  const seconds = (bootClock() - from) / 1000
  const { requests, bytes } = since(before, proxy.now())
  const rest = { requests: requests / seconds, bytes: bytes / seconds }
  const figures = { ...rest, cpu: (own() - cpu) / seconds, server: (cpuOf(server) - busy) / seconds }
  group.dissolve()
  return figures
}

function passing(seconds: number): Promise<unknown> {
  const from = bootClock()
  return until('the time to pass', () => bootClock() - from > seconds * 1000, { deadline: seconds * 2000, every: 500 })
}

interface Stage {
  readonly fakes: readonly Fake[]
  readonly digests: Digests
  readonly size: Size
  /** The file in which the instance says that it rests, and since which look. */
  readonly rest: string
  readonly progress: Progress
}

/** Until the instance has seen each change and rests again: beside what it would have asked for anyway. */
async function changed(others: Agent, server: Agent, proxy: Counted, stage: Stage): Promise<Figures['changes']> {
  const consul = new Consul({ env: { CONSUL_HTTP_ADDR: others.control }, limit: 60_000 })
  const { size, fakes, digests } = stage
  const n = size.instances
  const joins = async () => {
    await register(others, n)
    await seen(others, n + 1)
    const fake = await withSession(others, n)
    const told = { Verb: 'set', Key: keys.joined, Value: base64(JSON.stringify({ instance: fake.instance })) } as const
    await transact(consul, [memberKey(fake, digests), told])
  }
  const [one, two] = fakes as [Fake, Fake]
  const [first, second] = [idOf(0), idOf(1)]
  const moves = async () => {
    await transact(consul, [givenBack(one, first), givenBack(two, second), takenBy(two, first), takenBy(one, second)])
  }
  const costOf = async (change: () => Promise<void>) => {
    const line = readFact(stage.rest)
    const [before, busy] = [proxy.now(), cpuOf(server)]
    await change()
    await until('it to rest again', () => ![null, line].includes(readFact(stage.rest)), {
      deadline: 300_000,
      every: 200,
    })
    return { ...since(before, proxy.now()), server: cpuOf(server) - busy }
  }
  try {
    stage.progress('two locks change hands')
    const moved = await costOf(moves)
    stage.progress('a member joins')
    return { moves: moved, joins: await costOf(joins) }
  } finally {
    consul.close()
  }
}

/** All threads, to the nanosecond: the counters of the process go in steps of 10 ms. */
function cpuOf({ pid }: Agent): number {
  const threads = readdirSync(`/proc/${pid}/task`)
  return threads.reduce((sum, thread) => sum + nanosecondsOf(`/proc/${pid}/task/${thread}/schedstat`), 0) / 1e9
}

function nanosecondsOf(file: string): number {
  try {
    return Number(readFileSync(file, 'utf8').split(' ')[0])
  } catch {
    return 0 // a thread that has just ended
  }
}
