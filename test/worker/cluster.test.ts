/** One process for all partitions of an instance, on running agents. */
import assert from 'node:assert/strict'
import { appendFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import { isAlive, parseProcess } from '../../lib/machine/identity.ts'
import { readLine } from '../../lib/state/facts.ts'
import { instanceFiles } from '../../lib/state/paths.ts'
import { hookTo, toldIn } from '../checks/hooks.ts'
import {
  changed,
  enter,
  everywhere,
  faultless,
  neverTwice,
  processes,
  range,
  settled,
  stageOfOne,
  statusOf,
} from '../cluster/stage.ts'
import { type Beat, longestGap } from '../lab/beats.ts'
import { type Agent, tunedGossip } from '../lab/cluster.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { type DefinitionFile, instanceOf, program } from '../lab/install.ts'
import { until } from '../lab/until.ts'

const terms = { lease: '7s', stop: { grace: '2s' } }

function filesOf(agent: Agent, definition: DefinitionFile) {
  return instanceFiles(agent.state, instanceOf(agent, definition))
}

const pidsOf = (agent: Agent, definition: DefinitionFile) => [
  ...new Set([...processes(agent, definition).values()].map(({ pid }) => pid)),
]

test('one process has all partitions of an instance, through a join, a leave, kill -9 of it and of an agent', async t => {
  const cluster = await clusterFor(t, { clients: 2, settings: tunedGossip })
  const { agents } = cluster
  const two = agents.slice(0, 2)
  const third = agents[2] as Agent
  const checks = [{ name: 'progress', ttl: '5m' }]
  const told = join(cluster.root, 'told')
  const hooks = { exited: hookTo(told) }
  const work = stageOfOne(cluster, 'work', 'beating', { partitions: { range: [0, 11] }, checks, hooks, ...terms })
  await enter(work, two)
  await settled(work, two)
  const first = everywhere(work, agents)
  for (const agent of two) assert.equal(pidsOf(agent, work.definition).length, 1)

  await t.test('a third instance takes exactly its share, and nobody’s process is another', async () => {
    await enter(work, [third])
    await settled(work, agents)
    const moved = changed(first, everywhere(work, agents))
    assert.equal(moved.length, 4)
    await faultless(work, range(12))
  })

  await t.test('kill -9 of it: its shepherd starts it again, and all is handled as before', async t => {
    const before = everywhere(work, agents)
    const own = [...processes(third, work.definition).keys()]
    const [pid] = pidsOf(third, work.definition)
    const last = (beats: Beat[], id: string) => beats.findLast(({ partition }) => partition === id)
    const earlier = await work.beats()
    const old = own.map(id => last(earlier, id)?.pid)
    const at = bootClock()
    process.kill(pid as number, 'SIGKILL')
    await until('each to beat again', async () => {
      const beats = await work.beats()
      return own.every(id => !old.includes(last(beats, id)?.pid))
    })
    const beats = await work.beats()
    const gaps = own.map(id => longestGap(beats, id, { from: at, to: beats.at(-1)?.at ?? at }))
    t.diagnostic(`handled again ${Math.max(...gaps)} s after that, at the latest`)
    await settled(work, agents)
    assert.equal(changed(before, everywhere(work, agents)).length, 4)
    const exited = () => toldIn(told).map(({ Partition, Instance, Code }) => `${Partition} ${Instance} ${Code}`)
    const wanted = own.map(id => `${id} ${instanceOf(third, work.definition)} 137`)
    await until('the exit to be told of each', see => see(exited()).sort().join() === wanted.sort().join())
    await faultless(work, range(12))
  })

  await t.test('it says of each how it is', async () => {
    const [id] = [...processes(third, work.definition).keys()] as [string]
    const whose = ['--partition', id, '--instance', instanceOf(third, work.definition), '--http-addr', third.http]
    // Asked of the catalog, which learns of it a little later than the agent.
    const critical = (wanted: string[]) =>
      until(`${wanted} to be critical`, async see => {
        const checks = await third.api<{ CheckID: string }[]>('GET', '/v1/health/state/critical')
        return see(checks.map(({ CheckID }) => CheckID).join()) === wanted.join()
      })
    await until('its check to be there', () => program('fail', ['progress', ...whose]).catch(() => false), {
      every: 500,
    })
    await critical([`work:${id}:progress`])
    await program('pass', ['progress', ...whose])
    await critical([])
  })

  await t.test('garbage among its confirmations is reported, and counts for nothing', async () => {
    const { worker, log } = filesOf(third, work.definition)
    const kept = readFileSync(worker.assignment, 'utf8')
    appendFileSync(worker.confirmations, `oh no\n{"id":"0","token":"1"}\n${kept}`)
    const before = everywhere(work, agents)
    await program('drain', ['work', instanceOf(two[0] as Agent, work.definition), '--http-addr', third.http])
    await until('it to be empty', () => processes(two[0] as Agent, work.definition).size === 0)
    await program('drain', ['work', instanceOf(two[0] as Agent, work.definition), 'off', '--http-addr', third.http])
    await settled(work, agents)
    assert.match(readFileSync(log, 'utf8'), /ignores 6 lines of the worker, which confirm nothing/)
    assert.deepEqual(processes(third, work.definition).size, 4)
    assert.ok(changed(before, everywhere(work, agents)).length >= 4)
    await faultless(work, range(12))
  })

  await t.test('a killed agent: it is stopped with its lease, and then the others have all', async () => {
    await third.stop('SIGKILL')
    await until('it to stop', () => processes(third, work.definition).size === 0, { deadline: 15_000 })
    await settled(work, two)
    await faultless(work, range(12))
  })

  await t.test('leave gives everything back, and the process is gone', async () => {
    const [stays, leaver] = two as [Agent, Agent]
    const was = parseProcess(readLine(filesOf(leaver, work.definition).worker.process))
    assert.ok(was && isAlive(was))
    await program('leave', ['work', '--state', leaver.state, '--http-addr', leaver.http])
    assert.equal(isAlive(was), false)
    await settled(work, [stays])
    await faultless(work, range(12))
  })
})

test('one that never confirms is stopped when the grace period is over, and nothing is handled twice', async t => {
  const cluster = await clusterFor(t, { clients: 1 })
  const { agents } = cluster
  const work = stageOfOne(cluster, 'work', 'beating', { partitions: { range: [0, 5] }, stop: { grace: '4s' } })
  const run = work.definition.run as { command: string[] }
  // A shell does not trap what was ignored when it began.
  run.command.unshift('/bin/sh', '-c', 'trap "" WINCH; exec "$@"', 'deaf')
  const [deaf] = agents as [Agent]
  await enter(work, [deaf])
  await settled(work, [deaf])
  const [pid] = pidsOf(deaf, work.definition)
  await enter(work, agents.slice(1))
  await until('status to say what is waited for', async see => {
    const { partitions } = see(await statusOf(deaf, 'work'))
    const waited = partitions.filter(({ why }) => why.endsWith('; waits for the worker to confirm that it stopped'))
    return waited.length === 3 && waited.every(({ state }) => state === 'moving')
  })
  await settled(work, agents)
  assert.notEqual(pidsOf(deaf, work.definition)[0], pid)
  assert.match(
    readFileSync(filesOf(deaf, work.definition).log, 'utf8'),
    /it has not confirmed that it stopped (\d, ){2}\d$/m,
  )
  await faultless(work, range(6))
  await neverTwice(work)
})
