/** One fault on a host that holds both kinds of lock at once, judged from the workers' beats. */
import { setTimeout as pause } from 'node:timers/promises'
import { bootClock } from '../../../lib/base/clock.ts'
import { parseProcess, signal } from '../../../lib/machine/identity.ts'
import { readLine } from '../../../lib/state/facts.ts'
import { instanceFiles } from '../../../lib/state/paths.ts'
import { processes } from '../../cluster/stage.ts'
import type { Heal } from '../../faults/fault.ts'
import type { Lab } from '../../faults/lab.ts'
import { type Beat, overlaps, processOf, type Run, runs } from '../../lab/beats.ts'
import type { Agent } from '../../lab/cluster.ts'
import { until } from '../../lab/until.ts'
import { Rival } from './rival.ts'

export interface Hit {
  readonly name: string
  readonly inject: (lab: Lab, agent: Agent, rival: Rival) => Promise<Heal>
}

export const hits: readonly Hit[] = [
  {
    name: 'host cut off',
    inject: async (lab, agent) => {
      await lab.lan.unplug(lab.host(agent))
      return () => lab.lan.plug(lab.host(agent))
    },
  },
  {
    name: 'link down',
    inject: async (lab, agent) => {
      await lab.host(agent).run('ip link set eth0 down')
      return () => lab.host(agent).run('ip link set eth0 up')
    },
  },
  {
    name: 'agent kill -9',
    inject: async (_, agent) => {
      await agent.stop('SIGKILL')
      return () => agent.start()
    },
  },
  {
    name: 'wrapper kill -9', // the parents of the workers: `consul lock`, our shepherds
    inject: async (lab, agent, rival) => {
      rival.killWrapper(agent)
      const files = instanceFiles(agent.state, lab.instance(agent))
      for (const id of processes(agent, lab.definition).keys()) {
        const shepherd = parseProcess(readLine(files.partition(id).shepherd))
        if (shepherd) signal(shepherd, 'SIGKILL')
      }
      return async () => {}
    },
  },
]

/** All in s; from the fault on. */
export interface Figures {
  /** Two workers at once, the worst partition. */
  readonly both: number
  /** Until the first beat of a new worker, the slowest partition. */
  readonly failover: number
  /** The last beat of an old worker. */
  readonly old: number
}

/** How long a new worker is waited for, and how long an old one is watched beside it, ms. */
const patience = 90_000
const watched = 30_000

export async function contest(
  lab: Lab,
  hit: Hit,
  name: string,
  agent: Agent,
): Promise<{ rival: Figures; ours: Figures }> {
  await lab.settled()
  const rival = await Rival.start(lab, name, agent)
  try {
    lab.forget()
    await pause(500) // so long everyone beats in peace
    const ours = [...processes(agent, lab.definition).keys()].map(id => `${lab.definition.name}/${id}`)
    const from = bootClock()
    const heal = await hit.inject(lab, agent, rival)
    const all = [...ours, rival.partition]
    const taken = async () => newcomers(await lab.beats(), from, all).size === all.length
    await until('everything to be taken over', taken, { deadline: patience, every: 250 })
    const beside = bootClock()
    await until('the old worker to end', async () => bootClock() - beside > watched || isSilent(lab, rival, from), {
      deadline: 2 * watched,
      every: 250,
    })
    const beats = await lab.beats()
    await heal()
    return { rival: figures(beats, from, [rival.partition]), ours: figures(beats, from, ours) }
  } finally {
    await rival.end()
  }
}

/** The first run of each partition that began after the fault. */
function newcomers(beats: Beat[], from: number, partitions: readonly string[]): Map<string, Run> {
  const found = new Map<string, Run>()
  for (const run of runs(beats)) {
    if (run.from > from && partitions.includes(run.partition) && !found.has(run.partition))
      found.set(run.partition, run)
  }
  return found
}

/** No process that ran before the fault has beaten for a second. */
async function isSilent(lab: Lab, { partition }: Rival, from: number): Promise<boolean> {
  const beats = await lab.beats()
  const old = new Set(beats.filter(({ at }) => at < from).map(processOf))
  const last = beats.findLast(beat => beat.partition === partition && old.has(processOf(beat)))
  return bootClock() - (last?.at ?? 0) > 1000
}

function figures(beats: Beat[], from: number, partitions: readonly string[]): Figures {
  const own = beats.filter(({ partition }) => partitions.includes(partition))
  const both = partitions.map(partition =>
    overlaps(own.filter(beat => beat.partition === partition)).reduce((sum, span) => sum + span.to - span.from, 0),
  )
  const began = [...newcomers(own, from, partitions).values()].map(run => run.from - from)
  const ended = runs(own)
    .filter(run => run.from < from)
    .map(({ to }) => Math.max(0, to - from))
  return { both: Math.max(...both) / 1000, failover: Math.max(...began) / 1000, old: Math.max(...ended) / 1000 }
}
