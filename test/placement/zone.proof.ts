/**
 * A zone is lost on real agents, with everything that runs there: the rest shares its partitions, balanced, and nothing else
 * moves. When it is back, no more moves than spread asks.
 */
import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { changed, everywhere, neverTwice, type Stage, settled, stage } from '../cluster/stage.ts'
import { type Agent, tunedGossip } from '../lab/cluster.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { install } from '../lab/install.ts'
import { killMarked } from '../lab/marked.ts'

/** Zones of 2, 1 and 1 machines. */
const zones = { a1: 'x', a2: 'x', b1: 'y', c1: 'z' } as const
const partitions = 12

describe('spread over zones of 2, 1 and 1 machines', { concurrency: 1 }, () => {
  const shared = sharedCluster({ clients: Object.keys(zones), settings: tunedGossip })
  let work: Stage

  const agents = (is: (zone: string) => boolean = () => true): Agent[] =>
    Object.entries(zones).flatMap(([name, zone]) => (is(zone) ? [shared().agent(name)] : []))

  /** How many run in each zone, or on each agent. */
  const numbers = (ran: ReadonlyMap<string, string>, of: (agent: string) => string) => {
    const counts: Record<string, number> = {}
    for (const process of ran.values()) {
      const key = of(process.split(' ')[0] as string)
      counts[key] = (counts[key] ?? 0) + 1
    }
    return counts
  }
  const zoneOf = (agent: string) => zones[agent as keyof typeof zones]
  const each = (agent: string) => agent
  const idsIn = (ran: ReadonlyMap<string, string>, is: (zone: string) => boolean) =>
    [...ran].filter(([, process]) => is(zoneOf(process.split(' ')[0] as string))).map(([id]) => id)

  before(async () => {
    const placement = { spread: [{ over: 'meta.zone' }] }
    const own = { partitions: { count: partitions }, lease: '7s', stop: { grace: '2s' }, placement }
    work = stage(shared(), 'work', 'beating', own)
    for (const agent of agents()) {
      await install(agent, { ...work.definition, meta: { zone: zoneOf(agent.name) } } as Stage['definition'])
    }
    await settled(work, agents())
    assert.deepEqual(numbers(everywhere(work, agents()), zoneOf), { x: 4, y: 4, z: 4 })
  })

  for (const [lost, then] of [
    ['x', { b1: 6, c1: 6 }],
    ['z', { x: 6, y: 6 }],
  ] as const) {
    it(`zone ${lost} is lost and comes back`, async t => {
      const was = everywhere(work, agents())
      const [gone, rest] = [agents(zone => zone === lost), agents(zone => zone !== lost)]
      const begun = performance.now()
      await Promise.all(gone.map(agent => agent.stop('SIGKILL')))
      await Promise.all(gone.map(agent => killMarked(agent.folder)))
      await settled(work, rest, 90_000)
      const took = ((performance.now() - begun) / 1000).toFixed(1)
      const now = everywhere(work, rest)
      const moved = changed(was, now).sort()
      assert.deepEqual(numbers(now, lost === 'x' ? each : zoneOf), then)
      if (lost === 'z') assert.deepEqual(numbers(now, each), { a1: 3, a2: 3, b1: 6 })
      assert.deepEqual(moved, idsIn(was, zone => zone === lost).sort(), 'only what ran there moves')
      t.diagnostic(`zone ${lost} lost: ${moved.length} of ${partitions} moved, all run again ${took} s later`)

      await Promise.all(gone.map(agent => agent.start()))
      await settled(work, agents(), 90_000)
      const back = everywhere(work, agents())
      assert.deepEqual(numbers(back, zoneOf), { x: 4, y: 4, z: 4 })
      const returned = changed(now, back)
      assert.deepEqual(returned.sort(), idsIn(back, zone => zone === lost).sort(), 'only what goes there moves')
      t.diagnostic(`zone ${lost} back: ${returned.length} of ${partitions} moved`)
    })
  }

  it('nothing ever ran twice', () => neverTwice(work))
})
