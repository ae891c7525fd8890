/** What happens to the links: two instances share them, a third joins, the server drops some, a process is killed. */
import type { Agent, Cluster } from '../../test/lab/cluster.ts'
import { type DefinitionFile, install, instanceOf } from '../../test/lab/install.ts'
import { until } from '../../test/lab/until.ts'
import type { LinkServer } from './server.ts'
import type { Story } from './verdict.ts'

export interface Stage {
  readonly cluster: Cluster
  readonly definition: DefinitionFile
  readonly server: LinkServer
  readonly links: readonly string[]
  readonly say: (line: string) => void
}

const patience = { deadline: 90_000, every: 50 }
/** For how long nothing may happen in the end, ms: two ticks of the guard. */
const quiet = 4000

export async function play(stage: Stage): Promise<Story> {
  const { cluster, server, links, say } = stage
  const third = cluster.agent('a2')
  const two = cluster.agents.filter(agent => agent !== third)

  say(`two instances start, and share ${links.length} links`)
  await Promise.all(two.map(agent => install(agent, stage.definition)))
  await shared(stage, two)
  const start = server.now()

  say('a third one joins: its share is closed, and then opened there')
  const join = await during(server, async () => {
    await install(third, stage.definition)
    await shared(stage, cluster.agents)
  })

  const dropped = server.open().filter((_, i) => i % 10 === 0)
  say(`the server closes ${dropped.length} links: whoever has one opens it again`)
  const drop = await during(server, async () => {
    const before = server.record.length
    server.drop(dropped)
    await until('them to be opened again', see => see(server.record.length - before) >= dropped.length, patience)
    await shared(stage, cluster.agents)
  })

  const pid = pidOf(stage, third)
  say(
    `kill -9 ${pid}, the process on ${third.name}: the server sees its links end; it is started again, and opens them`,
  )
  const kill = await during(server, async () => {
    process.kill(pid, 'SIGKILL')
    await until('its links to end', () => server.open().every(connection => connection.pid !== pid), patience)
    await shared(stage, cluster.agents)
  })

  say(`nothing happens, for ${quiet / 1000} s`)
  const since = server.now()
  await until('the quiet time to pass', () => server.now() - since > quiet, patience)
  return { links, start, join, drop: { ...drop, count: dropped.length }, kill: { ...kill, pid }, end: server.now() }
}

async function during(server: LinkServer, act: () => Promise<void>): Promise<{ from: number; to: number }> {
  const from = server.now()
  await act()
  return { from, to: server.now() }
}

/** Waits until each link is open once, at one of these agents, and none has more than one above its share. */
async function shared({ server, links, definition }: Stage, agents: readonly Agent[]): Promise<void> {
  const share = links.length / agents.length
  await until(
    `the links to be shared by ${agents.map(({ name }) => name).join(', ')}`,
    see => {
      const open = server.open()
      const instances = agents.map(agent => instanceOf(agent, definition))
      const loads = see(instances.map(own => open.filter(({ instance }) => instance === own).length))
      const once = open.length === links.length && new Set(open.map(({ link }) => link)).size === links.length
      return once && loads.every(load => load >= Math.floor(share) && load <= Math.ceil(share))
    },
    patience,
  )
}

function pidOf({ server, definition }: Stage, agent: Agent): number {
  const connection = server.open().find(({ instance }) => instance === instanceOf(agent, definition))
  if (connection) return connection.pid
  throw new Error(`${agent.name} has no link`)
}
