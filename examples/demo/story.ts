/** What happens in the demo: who joins, dies, drains and leaves, and when each is over. */
import { join } from 'node:path'
import { bootClock } from '../../lib/base/clock.ts'
import { Consul } from '../../lib/consul/http.ts'
import { isGood } from '../../lib/operate/status/partitions.ts'
import { readStatus, type Status } from '../../lib/operate/status/status.ts'
import { owners, readBeats } from '../../test/lab/beats.ts'
import { type Agent, type Cluster, tunedGossip } from '../../test/lab/cluster.ts'
import { type DefinitionFile, install, instanceOf, program } from '../../test/lab/install.ts'
import { until } from '../../test/lab/until.ts'

export const partitions = Array.from({ length: 12 }, (_, number) => String(number))

/** One thing that happens. Times are boot-clock ms. */
export interface Event {
  readonly what: string
  readonly from: number
  /** When all partitions ran where they should again. */
  readonly to: number
  /** The members after it. */
  readonly members: readonly string[]
  /** A machine died: what it had is taken over. All other moves are hand-overs. */
  readonly death: boolean
}

export interface Stage {
  readonly cluster: Cluster
  readonly definition: DefinitionFile
  readonly say: (line: string) => void
  /** Ends when the demo is interrupted. */
  readonly signal: AbortSignal
}

export const clusterOptions = { clients: ['a2', 'a3'], settings: tunedGossip }

export function definitionFor(folder: string): DefinitionFile {
  const worker = join(import.meta.dirname, 'worker.sh')
  return {
    name: 'demo',
    partitions: { list: partitions },
    run: { command: ['/bin/sh', worker, join(folder, 'ledgers'), join(folder, 'beats')] },
    stop: { grace: '2s' },
    lease: '7s',
  }
}

/** Plays the story. @returns what happened */
export async function play(stage: Stage): Promise<Event[]> {
  const { cluster, definition } = stage
  const [s1, a2, a3] = ['s1', 'a2', 'a3'].map(name => cluster.agent(name)) as [Agent, Agent, Agent]
  const name = (agent: Agent) => instanceOf(agent, definition)
  const events: Event[] = []
  const happens = async (what: string, members: readonly Agent[], act: () => Promise<unknown>, death = false) => {
    stage.signal.throwIfAborted()
    stage.say(what)
    const from = bootClock()
    await act()
    const names = members.map(name)
    await settled(stage, s1, names)
    events.push({ what, from, to: bootClock(), members: names, death })
  }
  await happens('s1 joins', [s1], () => install(s1, definition))
  await happens('a2 joins', [s1, a2], () => install(a2, definition))
  await happens('a3 joins', [s1, a2, a3], () => install(a3, definition))
  await happens('the agent of a2 is killed with -9', [s1, a3], () => a2.stop('SIGKILL'), true)
  await happens('a2 comes back', [s1, a2, a3], () => a2.start())
  await happens('a3 is drained', [s1, a2], () => drain(s1, name(a3)))
  await happens('a2 leaves', [s1], () => leave(a2))
  await happens('a3 takes part again', [s1, a3], () => drain(s1, name(a3), 'off'))
  return events
}

function drain(agent: Agent, instance: string, state = 'on'): Promise<string> {
  return program('drain', ['demo', instance, state, '--http-addr', agent.http])
}

function leave(agent: Agent): Promise<string> {
  return program('leave', ['demo', '--state', agent.state, '--http-addr', agent.http])
}

/** Waits until exactly these are members in full, and the beats show every partition where it should be. */
async function settled({ signal, cluster }: Stage, agent: Agent, members: readonly string[]): Promise<void> {
  await until(
    `12 partitions on ${members.join(', ')}`,
    async see => {
      signal.throwIfAborted()
      const status = see(await statusOf(agent))
      const full = status.instances.filter(({ state }) => state === 'member').map(({ instance }) => instance)
      // One that was killed stays a problem of the service until it is back.
      if (status.partitions.filter(isGood).length < 12 || full.sort().join() !== [...members].sort().join())
        return false
      const beating = owners(await readBeats(join(cluster.root, 'beats')))
      return status.partitions.every(({ partition, instance }) => beating.get(partition) === instance)
    },
    { deadline: 60_000, every: 250 },
  )
}

/** @throws Temporary when the agent does not answer */
export async function statusOf(agent: Agent): Promise<Status> {
  const consul = new Consul({ env: { CONSUL_HTTP_ADDR: agent.http } })
  try {
    return await readStatus(consul, 'demo')
  } finally {
    consul.close()
  }
}
