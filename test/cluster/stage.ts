/** A service of small workers on a lab's agents, and what the tests ask about it. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bootClock } from '../../lib/base/clock.ts'
import { Consul } from '../../lib/consul/http.ts'
import { type Process, parseProcess } from '../../lib/machine/identity.ts'
import { isGood } from '../../lib/operate/status/partitions.ts'
import { readStatus, type Status } from '../../lib/operate/status/status.ts'
import { readLine } from '../../lib/state/facts.ts'
import { runnerOf } from '../../lib/state/partition-paths.ts'
import { instanceFiles, localPartitions } from '../../lib/state/paths.ts'
import { type Beat, faults, overlaps, readBeats, stepsBack } from '../lab/beats.ts'
import type { Agent, Cluster } from '../lab/cluster.ts'
import { type DefinitionFile, install, instanceOf } from '../lab/install.ts'
import { until } from '../lab/until.ts'

export type Worker = 'beating' | 'quiet'

const workers = { beating: '../lab/worker.sh', quiet: 'quiet-worker.sh' }

export interface Stage {
  readonly cluster: Cluster
  readonly definition: DefinitionFile
  readonly beats: () => Promise<Beat[]>
}

/** The same with one process for all partitions of an instance, that of docs/one-process.md, which has these workers as its children. */
export function stageOfOne(cluster: Cluster, name: string, worker: Worker, more: Record<string, unknown> = {}): Stage {
  const { definition, beats } = stage(cluster, name, worker, more)
  const { command } = definition.run as { command: string[] }
  const one = join(import.meta.dirname, '../../examples/one-process/worker.sh')
  return { cluster, beats, definition: { ...definition, run: { per: 'instance', command: [one, ...command] } } }
}

/** A service whose processes write the beats file that `beats` reads. */
export function stage(cluster: Cluster, name: string, worker: Worker, more: Record<string, unknown> = {}): Stage {
  const file = join(cluster.root, `${name}.beats`)
  writeFileSync(file, '')
  const command = ['/bin/sh', join(import.meta.dirname, workers[worker]), file]
  return { cluster, definition: { name, run: { command }, ...more }, beats: () => readBeats(file) }
}

export function range(count: number): string[] {
  return Array.from({ length: count }, (_, number) => String(number))
}

/** Installs the service on these agents, and waits until they share all partitions. */
export async function enter(stage: Stage, agents: readonly Agent[]): Promise<string[]> {
  const instances: string[] = []
  for (const agent of agents) instances.push(await install(agent, stage.definition))
  return instances
}

export async function statusOf(agent: Agent, service: string): Promise<Status> {
  const consul = new Consul({ env: { CONSUL_HTTP_ADDR: agent.control } })
  try {
    return await readStatus(consul, service)
  } finally {
    consul.close()
  }
}

/** Waits until all partitions run where they should, on exactly these agents. */
export function settled(stage: Stage, agents: readonly Agent[], deadline = 60_000): Promise<Status> {
  const names = agents.map(agent => instanceOf(agent, stage.definition)).sort()
  const asked = agents[0] as Agent
  return until(
    `all partitions of ${stage.definition.name} to run on ${names.join(', ')}`,
    async see => {
      const status = await statusOf(asked, stage.definition.name)
      const members = status.instances.filter(({ state }) => state === 'member').map(({ instance }) => instance)
      see(`${status.summary}; members ${members.join(', ')}`)
      const running = agents.flatMap(agent => [...processes(agent, stage.definition).keys()])
      const all =
        isWell(status, names) && members.sort().join() === names.join() && running.length === status.partitions.length
      return all && status
    },
    { deadline, every: 100 },
  )
}

/** All runs, and what is wrong is only wrong with instances that are none of these: dead ones, or drained. */
export function isWell({ ok, partitions, problems, instances }: Status, names: readonly string[]): boolean {
  const others = instances.filter(({ instance, why }) => why !== '' && !names.includes(instance))
  const known = new Set(others.map(({ instance, why }) => `${instance} ${why}`))
  return ok || (partitions.length > 0 && partitions.every(isGood) && problems.every(problem => known.has(problem)))
}

/** When the catalog first showed the agent's instance as passing, boot-clock ms. */
export function seenPassing(asked: Agent, node: string, service: string): Promise<number> {
  return until(
    `the instance on ${node} to be passing`,
    async () => {
      const passing = await asked.api<{ Node: { Node: string } }[]>('GET', `/v1/health/service/${service}?passing`)
      return passing.some(({ Node }) => Node.Node === node) && bootClock()
    },
    { every: 10, deadline: 60_000 },
  )
}

/** The living processes of a service on an agent: partition -> process, which is the same for all where one has them all. */
export function processes(agent: Agent, definition: DefinitionFile): Map<string, Process> {
  const files = instanceFiles(agent.state, instanceOf(agent, definition))
  return new Map(
    localPartitions(files).flatMap(id => {
      const process = parseProcess(readLine(runnerOf(files.partition(id)).process))
      return process ? [[id, process] as const] : []
    }),
  )
}

/** partition -> `<agent> <pid> <start>`, over several agents. */
export function everywhere(stage: Stage, agents: readonly Agent[]): Map<string, string> {
  return new Map(
    agents.flatMap(agent =>
      [...processes(agent, stage.definition)].map(
        ([id, { pid, start }]) => [id, `${agent.name} ${pid} ${start}`] as const,
      ),
    ),
  )
}

/** The partitions whose process is another one now, or on another agent. */
export function changed(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].filter(id => before.get(id) !== after.get(id))
}

/** By the beats alone, of quiet workers too: nothing ever ran twice, no token went back. */
export async function neverTwice({ beats }: Stage): Promise<void> {
  const seen = await beats()
  assert.ok(seen.length > 0, 'nobody ever beat')
  assert.deepEqual([...overlaps(seen), ...stepsBack(seen)], [])
}

/**
 * By the beats alone: nothing ever ran twice, no token went back, and each of `partitions` beats. A beat may be late on a
 * busy machine; two owners stay two owners however long one looks.
 */
export function faultless({ beats }: Stage, partitions: readonly string[]): Promise<true> {
  return until('beats without a fault', async see => see(faults(await beats(), [...partitions])).length === 0, {
    every: 200,
  })
}
