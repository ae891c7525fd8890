/** On real agents: what an instance held waits for it, and nothing moves while the service is frozen. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  changed,
  enter,
  everywhere,
  neverTwice,
  processes,
  type Stage,
  settled,
  stage,
  statusOf,
} from '../cluster/stage.ts'
import { runs } from '../lab/beats.ts'
import { type Agent, tunedGossip } from '../lab/cluster.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { program } from '../lab/install.ts'
import { until } from '../lab/until.ts'

const terms = { lease: '7s', stop: { grace: '2s' }, partitions: { range: [0, 8] } }
/** L + G + 1 s. */
const takeoverWait = 10_000

/** The partitions that the other agents have started since. */
const taken = (was: ReadonlyMap<string, string>, work: Stage, others: readonly Agent[]) =>
  changed(
    new Map([...was].filter(([, process]) => others.some(({ name }) => process.startsWith(`${name} `)))),
    everywhere(work, others),
  )

/** The processes of an agent that is gone end with its lease. */
const untilNothingRuns = (agent: Agent, work: Stage) =>
  until(`nothing to run on ${agent.name}`, async see => see(lastBeats(await work.beats(), agent)) > 1500, {
    deadline: 30_000,
    every: 200,
  })

function lastBeats(beats: Awaited<ReturnType<Stage['beats']>>, { name }: Agent): number {
  const own = beats.filter(({ instance }) => instance === `${name}:work`)
  const all = beats.at(-1)?.at ?? 0
  return all - Math.max(...own.map(({ at }) => at))
}

describe('an instance that disappears', () => {
  test('gets its own back when it is there again within its wait, and loses them after it', async t => {
    const cluster = await clusterFor(t, { clients: 2, settings: tunedGossip })
    const agents = cluster.agents as [Agent, Agent, Agent]
    const [s1, a1, a2] = agents
    const work = stage(cluster, 'work', 'beating', { ...terms, wait: '20s' })
    await enter(work, agents)
    await settled(work, agents)
    const was = everywhere(work, agents)
    const own = [...processes(a2, work.definition).keys()].sort()
    await a2.stop('SIGKILL')
    await until('status to say whom they wait for', async see => {
      const { partitions } = await statusOf(s1, 'work')
      const words = partitions.filter(
        ({ state, why }) => state === 'waiting' && /waits for a2:work, which is away/.test(why),
      )
      return see(words.length) === own.length
    })
    await untilNothingRuns(a2, work)
    await a2.start()
    await settled(work, agents)
    assert.deepEqual([...processes(a2, work.definition).keys()].sort(), own)
    assert.deepEqual(taken(was, work, [s1, a1]), [], 'nothing else moved')
    await a2.stop('SIGKILL')
    const begun = Date.now()
    await settled(work, [s1, a1], 90_000)
    assert.ok(Date.now() - begun > 20_000, `they were taken after ${Date.now() - begun} ms`)
    await neverTwice(work)
  })

  test('is not waited for once it is drained', async t => {
    const cluster = await clusterFor(t, { clients: 2, settings: tunedGossip })
    const agents = cluster.agents as [Agent, Agent, Agent]
    const [s1, a1, a2] = agents
    const work = stage(cluster, 'work', 'beating', { ...terms, wait: '1h' })
    await enter(work, agents)
    await settled(work, agents)
    await a2.stop('SIGKILL')
    await until('its partitions to wait', async () =>
      (await statusOf(s1, 'work')).partitions.some(({ state }) => state === 'waiting'),
    )
    await program('drain', ['work', 'a2:work', '--http-addr', s1.http])
    await settled(work, [s1, a1], 60_000)
    await neverTwice(work)
  })
})

describe('with "back": false', () => {
  test('what others took from an instance that was drained stays with them; new ones are for it', async t => {
    const cluster = await clusterFor(t, { clients: 2, settings: tunedGossip })
    const agents = cluster.agents as [Agent, Agent, Agent]
    const [s1, a1] = agents
    const work = stage(cluster, 'work', 'quiet', { ...terms, back: false })
    await enter(work, agents)
    await settled(work, agents)
    const drain = (to: string) => program('drain', ['work', 'a2:work', to, '--http-addr', s1.http])
    await drain('on')
    await settled(work, [s1, a1])
    const was = everywhere(work, agents)
    await drain('off')
    await program('partitions', ['work', 'add', 'new', '--http-addr', s1.http])
    await settled(work, agents)
    const now = everywhere(work, agents)
    assert.deepEqual(changed(was, now), ['new'])
    assert.match(now.get('new') ?? '', /^a2 /)
    await neverTwice(work)
  })
})

describe('a frozen service', () => {
  test('leaves what was lost where it was, until it is thawed', async t => {
    const cluster = await clusterFor(t, { clients: 2, settings: tunedGossip })
    const agents = cluster.agents as [Agent, Agent, Agent]
    const [s1, a1, a2] = agents
    const work = stage(cluster, 'work', 'beating', terms)
    await enter(work, agents)
    await settled(work, agents)
    const was = everywhere(work, agents)
    const own = [...processes(a2, work.definition).keys()].sort()
    const freeze = (name: string, ...args: string[]) => program(name, ['work', ...args, '--http-addr', s1.http])
    assert.equal(await freeze('freeze', '--why', 'work on the network'), 'work is frozen')
    assert.equal(await freeze('freeze'), 'work is frozen, as before')
    await a2.stop('SIGKILL')
    await untilNothingRuns(a2, work)
    const idle = () =>
      statusOf(s1, 'work').then(({ partitions }) => partitions.filter(({ state }) => state === 'waiting'))
    const begun = Date.now()
    await until(
      'longer than a takeover',
      async () => (await idle()).length === own.length && Date.now() - begun > takeoverWait + 8000,
      {
        deadline: 60_000,
        every: 500,
      },
    )
    assert.deepEqual(taken(was, work, [s1, a1]), [])
    const { summary } = await statusOf(s1, 'work')
    assert.match(summary, /^work: FROZEN by hand since .*: work on the network; /)
    await assert.rejects(program('partitions', ['work', 'remove', '0', '--http-addr', s1.http]), /it is frozen/)
    await assert.rejects(freeze('scale', '3'), /cannot scale work down: it is frozen/)
    await a2.start()
    await settled(work, agents)
    assert.deepEqual([...processes(a2, work.definition).keys()].sort(), own, 'restarted where it was')
    await a2.stop('SIGKILL')
    await until('its partitions to wait again', async () => (await idle()).length === own.length)
    assert.equal(await freeze('thaw'), 'work is not frozen')
    await settled(work, [s1, a1])
    assert.ok(runs(await work.beats()).length > 0)
    await neverTwice(work)
  })
})
