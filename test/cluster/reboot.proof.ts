/**
 * A machine with ten partitions stops: with `leave --all --for-shutdown` before it, as watchbill-handover.service does, and
 * without. By the workers' own beats: how long each partition was without an owner, side by side.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import { parseProcess, signal } from '../../lib/machine/identity.ts'
import { readLine } from '../../lib/state/facts.ts'
import { instanceFiles } from '../../lib/state/paths.ts'
import { gaps } from '../lab/beats.ts'
import type { Agent } from '../lab/cluster.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { instanceOf, program } from '../lab/install.ts'
import { enter, faultless, processes, range, type Stage, settled, stage } from './stage.ts'

/** Ends the agent and all that it has started, at once, as a machine does when it is switched off. */
async function switchOff(agent: Agent, { definition }: Stage): Promise<void> {
  const files = instanceFiles(agent.state, instanceOf(agent, definition))
  const running = processes(agent, definition)
  const shepherds = [...running.keys()].flatMap(id => parseProcess(readLine(files.partition(id).shepherd)) ?? [])
  const stopped = agent.stop('SIGKILL')
  for (const process of [...shepherds, ...running.values()]) signal(process, 'SIGKILL')
  await stopped
}

it('hands ten partitions over at once, where others would wait for the takeover wait', async t => {
  const cluster = await clusterFor(t, { clients: 3 })
  const work = stage(cluster, 'work', 'beating', { partitions: { range: [0, 29] } })
  const [, ...clients] = cluster.agents as [Agent, ...Agent[]]
  const [one, two, three] = clients as [Agent, Agent, Agent]
  await enter(work, clients)
  await settled(work, clients)

  /** @returns the longest time without an owner of each partition that was there, ms */
  const withoutOwner = async (victim: Agent, end: () => Promise<void>, rest: readonly Agent[]): Promise<number[]> => {
    const had = [...processes(victim, work.definition).keys()]
    assert.equal(had.length, 10)
    const from = bootClock()
    await end()
    await settled(work, rest)
    const span = { from, to: bootClock() }
    const beats = await work.beats()
    return had.map(id => Math.max(0, ...gaps(beats, id, span).map(gap => gap.to - gap.from))).sort((a, b) => a - b)
  }

  const handedOver = await withoutOwner(three, async () => {
    const places = ['--state', three.state, '--consul-dir', three.configDir, '--http-addr', three.http]
    t.diagnostic(await program('leave', ['--all', '--for-shutdown', ...places], three))
    await switchOff(three, work)
  }, [one, two])
  // It comes back, and takes part again: by the agent's start alone.
  await three.start()
  await settled(work, clients)
  const switchedOff = await withoutOwner(three, () => switchOff(three, work), [one, two])

  t.diagnostic(`ms without an owner, handed over:  ${handedOver.join(' ')}`)
  t.diagnostic(`ms without an owner, switched off: ${switchedOff.join(' ')}`)
  await faultless(work, range(30))
  assert.ok((switchedOff[0] as number) > 10_000, `${switchedOff}`)
  // How long it takes depends on how busy the machine is: all agents and thirty workers share its processors.
  assert.ok((handedOver.at(-1) as number) < (switchedOff[0] as number) / 5, `${handedOver}`)
})
