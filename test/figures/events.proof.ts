/**
 * Events on three real agents, the wall clock of one of them an hour ahead for all its programs: joins, a crash, a drain, a
 * destroyed session, a restart, a hold and a death are told by every agent in the same order, and none is missing.
 */
import assert from 'node:assert/strict'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { processes, settled, stage as stageFor } from '../cluster/stage.ts'
import type { Agent } from '../lab/cluster.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { configure, guardCommand, instanceOf, program } from '../lab/install.ts'
import { until } from '../lab/until.ts'

const hour = 3_600_000
const root = join(import.meta.dirname, '../..')

interface Shown {
  readonly index: number
  readonly at: string
  readonly teller: string | null
  readonly by: string | null
  readonly what: string
  readonly partitions: readonly string[]
  readonly more: number
  readonly instance: string | null
}

/** Has every program of this agent run from the sources, with another wall clock. */
async function shiftClock(agent: Agent, definition: { name: string }): Promise<void> {
  const wrapper = join(agent.folder, 'shifted')
  const preload = join(root, 'test/handlers/support/clock-shifted.ts')
  const lines = [
    '#!/bin/sh',
    `export NODE_OPTIONS="--import ${preload}" CLOCK_SHIFT=${hour}`,
    'program=$(basename "$1" .cjs); shift',
    `exec ${process.execPath} ${root}/handlers/$program.ts "$@"`,
  ]
  writeFileSync(wrapper, `${lines.join('\n')}\n`)
  chmodSync(wrapper, 0o755)
  const [run = ''] = guardCommand(agent, definition)
  const file = join(agent.configDir, `watchbill-${definition.name}.json`)
  writeFileSync(file, readFileSync(file, 'utf8').replaceAll(JSON.stringify(run), JSON.stringify(wrapper)))
}

async function events(agent: Agent): Promise<Shown[]> {
  return JSON.parse(await program('events', ['work', '--json', '--http-addr', agent.http])) as Shown[]
}

const line = ({ teller, by, what, partitions, instance }: Shown) =>
  [teller ?? `by ${by}`, what, ...partitions, ...(instance ? [instance] : [])].join(' ')

test('a scripted quarter of an hour is told by every agent, in one order', async t => {
  const cluster = await clusterFor(t, { clients: 2 })
  const [s1, a1, a2] = cluster.agents as [Agent, Agent, Agent]
  const stage = stageFor(cluster, 'work', 'quiet', { partitions: { range: [0, 5] } })
  const { definition } = stage
  const [first, second, third] = [s1, a1, a2].map(agent => instanceOf(agent, definition)) as [string, string, string]
  const ask = (name: string, ...args: string[]) => program(name, ['work', ...args, '--http-addr', s1.http])
  for (const agent of [s1, a1, a2]) {
    await configure(agent, definition)
    if (agent === a1) await shiftClock(a1, definition)
    await agent.reload()
    await settled(stage, cluster.agents.slice(0, cluster.agents.indexOf(agent) + 1))
  }
  const told = (what: string, test: (event: Shown) => boolean) =>
    until(
      `the event "${what}"`,
      async see => {
        const all = await events(s1)
        see(all.slice(-12).map(line))
        return all.findLast(event => event.what === what && test(event))
      },
      { deadline: 60_000, every: 500 },
    )
  const onlyOf = (agent: Agent) => [...processes(agent, definition).keys()][0] as string
  // A crash on the machine whose clock is wrong.
  const crashed = onlyOf(a1)
  process.kill(processes(a1, definition).get(crashed)?.pid as number, 'SIGKILL')
  const exited = await told('exited', ({ partitions }) => partitions.includes(crashed))
  await ask('drain', second)
  await settledOn(2)
  await told('moved', ({ teller }) => teller === second)
  await ask('drain', second, 'off')
  await settled(stage, [s1, a1, a2])
  // Somebody destroys a session: its instance takes its own locks back, or another one takes them over.
  const sessions = await s1.api<{ ID: string; Name: string; Node: string }[]>('GET', '/v1/session/list')
  const own = sessions.find(({ Node, Name }) => Node === a1.name && Name.includes('work'))
  await s1.api('PUT', `/v1/session/destroy/${own?.ID}`)
  const back = await told('reclaimed', ({ teller }) => teller === second)
  await settled(stage, [s1, a1, a2])
  const again = onlyOf(a2)
  await ask('restart', again)
  await told('stopped to restart', ({ partitions }) => partitions.includes(again))
  await ask('hold', again)
  await told('released', ({ partitions }) => partitions.includes(again))
  await ask('unhold', again)
  await settled(stage, [s1, a1, a2])
  const lost = [...processes(a2, definition).keys()]
  await a2.stop('SIGKILL')
  await settled(stage, [s1, a1])
  for (const id of lost) await told('taken over', ({ partitions }) => partitions.includes(id))
  await told('lost', ({ instance }) => instance === third)

  const [one, other] = await until('both agents to tell the same', async see => {
    const [one, other] = [await events(s1), await events(a1)]
    see([one.length, other.length])
    return JSON.stringify(one) === JSON.stringify(other) && ([one, other] as const)
  })
  assert.deepEqual(one.map(line), other.map(line))
  const lines = one.map(line)
  t.diagnostic(`${lines.length} events:\n${one.map(event => `${event.index} ${event.at} ${line(event)}`).join('\n')}`)
  const at = (start: string, after = -1) => {
    const place = lines.findIndex((text, place) => place > after && text.startsWith(start))
    return place >= 0 ? place : assert.fail(`there is no "${start}" after ${after} in\n${lines.join('\n')}`)
  }
  // The script, in its order.
  let place = -1
  const who = lines.find(text => text.includes(' drained '))?.split(' drained ')[0] as string
  for (const start of [
    `${first} joined`,
    `${second} joined`,
    `${third} joined`,
    `${second} exited ${crashed}`,
    `${who} drained ${second}`,
    `${second} moved`,
    `${who} drain ended ${second}`,
    `${second} reclaimed`,
    `${who} restart asked ${again} ${third}`,
    `${third} stopped to restart ${again}`,
    `${who} held ${again}`,
    `${third} released ${again}`,
    `${who} let go ${again}`,
  ]) {
    place = at(start, place)
  }
  assert.ok(
    lines.some((text, at) => at > place && text.endsWith(` lost ${third}`)),
    'whoever sees it first tells it',
  )
  assert.match(who, /^by \S+@\S+$/)
  // Of each partition the ends and beginnings take turns: nobody acquires what another one has not ended.
  for (const id of ['0', '1', '2', '3', '4', '5']) assertTurns(one.filter(({ partitions }) => partitions.includes(id)))
  // The clock of a1 was wrong all the time, and only shows.
  const behind = [exited, back].map(({ at }) => Date.parse(at) - Date.now())
  for (const ahead of behind) assert.ok(ahead > hour - 900_000 && ahead < hour + 60_000, `${ahead} ms ahead`)
  const times = one.map(({ at }) => Date.parse(at))
  assert.ok(times.some((time, place) => place > 0 && time < (times[place - 1] as number) - hour / 2))

  async function settledOn(count: number): Promise<void> {
    await until(`${count} instances to have all`, () => {
      const running = [s1, a2].flatMap(agent => [...processes(agent, definition).keys()])
      return running.length === 6 && processes(a1, definition).size === 0
    })
  }
})

function assertTurns(all: readonly Shown[]): void {
  let holder: string | null = null
  for (const event of all) {
    const { what, teller } = event
    if (what === 'acquired') {
      assert.equal(holder, null, `${line(event)} while ${holder} has it:\n${all.map(line).join('\n')}`)
      holder = teller
    } else if (what === 'taken over') holder = teller
    else if (what === 'moved' || what === 'released') {
      assert.equal(holder, teller, `${line(event)} while ${holder} has it:\n${all.map(line).join('\n')}`)
      holder = null
    }
  }
}
