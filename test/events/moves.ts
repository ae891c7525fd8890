/** Partitions that are moved from agent to agent and back while their hooks take their time, and what the hooks were told. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type Told, toldIn } from '../checks/hooks.ts'
import { enter, processes, type Stage, settled, stage } from '../cluster/stage.ts'
import type { Agent, Cluster } from '../lab/cluster.ts'
import { instanceOf, program } from '../lab/install.ts'
import { until } from '../lab/until.ts'

const events = ['acquired', 'releasing', 'released']

export interface Moves {
  readonly work: Stage
  readonly told: () => Told[]
}

/** @param slowness how long each hook takes, s */
export function slowHooks(cluster: Cluster, partitions: number, slowness: number): Moves {
  const file = join(cluster.root, 'told')
  const hook = ['/bin/sh', join(import.meta.dirname, 'slow-hook.sh'), file, String(slowness)]
  const hooks = Object.fromEntries(events.map(event => [event, hook]))
  const work = stage(cluster, 'work', 'beating', { partitions: { range: [0, partitions - 1] }, hooks })
  return { work, told: () => toldIn(file) }
}

/** Both enter, the second one right after the first; then all that one of them has goes to the other, in turn. */
export async function backAndForth({ work }: Moves, agents: readonly [Agent, Agent], times: number): Promise<void> {
  const [first] = agents
  await enter(work, agents)
  await settled(work, agents)
  const drain = (agent: Agent, ...more: string[]) =>
    program('drain', ['work', instanceOf(agent, work.definition), ...more, '--http-addr', first.http])
  for (let move = 0; move < times; move++) {
    const [from, to] = move % 2 === 0 ? agents : ([agents[1], agents[0]] as const)
    if (move > 0) await drain(to, 'off')
    await drain(from, 'on')
    await until(`move ${move + 1}`, see => see(processes(from, work.definition).size) === 0, { deadline: 120_000 })
  }
}

/** What is wrong with what was told of a partition; null when each acquisition was told whole, and in order. */
export function disorder(told: readonly Told[], tokens: ReadonlySet<string>): string | null {
  const lives = told.map(({ Event, Instance, Token }) => `${Event} ${Instance} ${Token}`)
  const order = told.flatMap(one => (one.Event === 'acquired' ? [one] : []))
  const wanted = order.flatMap(({ Instance, Token }, at) => {
    const whole = events.map(event => `${event} ${Instance} ${Token}`)
    return at === order.length - 1 ? whole.slice(0, lives.at(-1)?.startsWith('acquired') ? 1 : 3) : whole
  })
  const missing = [...tokens].filter(token => !order.some(one => one.Token === token))
  if (missing.length > 0) return `never told of ${missing.join(', ')}: ${lives.join(', ')}`
  const rising = order.every(({ Token }, at) => at === 0 || Number(order[at - 1]?.Token) < Number(Token))
  return rising && lives.join() === wanted.join() ? null : lives.join(', ')
}

/** Waits until nothing is told any more, then judges what was told of each partition. */
export async function judge({ work, told }: Moves, partitions: number, deadline: number): Promise<void> {
  const beats = await work.beats()
  const tokens = Map.groupBy(beats, ({ partition }) => partition)
  const faults = () =>
    Array.from({ length: partitions }, (_, id) => String(id)).flatMap(id => {
      const own = new Set((tokens.get(id) ?? []).map(({ token }) => String(token)))
      const wrong = disorder(
        told().filter(({ Partition }) => Partition === id),
        own,
      )
      return wrong === null ? [] : [`${id}: ${wrong}`]
    })
  await until('all to be told, in order', see => see(faults()).length === 0, { deadline, every: 1000 }).catch(() => {})
  const left = faults()
  assert.deepEqual(left, [], `${left.length} of ${partitions} out of order`)
}
