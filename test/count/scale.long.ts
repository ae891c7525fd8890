/** On real agents: only what must start or stop does, whichever way the number of partitions changes. */
import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import {
  changed,
  enter,
  everywhere,
  neverTwice,
  range,
  type Stage,
  settled,
  stage,
  statusOf,
} from '../cluster/stage.ts'
import { type Agent, tunedGossip } from '../lab/cluster.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { program } from '../lab/install.ts'
import { until } from '../lab/until.ts'

const terms = { lease: '7s', stop: { grace: '2s' } }

describe('the number of partitions', { concurrency: 1 }, () => {
  const shared = sharedCluster({ clients: ['a1', 'a2'], settings: tunedGossip })
  let agents: Agent[]
  let work: Stage

  const scale = (service: string, ...args: string[]) =>
    program('scale', [service, ...args, '--http-addr', shared().agent('a2').http])

  /** Waits until so many run, and tells which processes are other ones than before. @param was from before the change */
  async function become(number: number, was = everywhere(work, agents)): Promise<string[]> {
    const status = await until(
      `${number} partitions`,
      async see => {
        const now = await settled(work, agents)
        return see(now.partitions.length) === number && now
      },
      { deadline: 60_000, every: 200 },
    )
    assert.deepEqual(status.partitions.map(({ partition }) => partition).sort(), range(number).sort())
    return changed(was, everywhere(work, agents)).sort((a, b) => Number(a) - Number(b))
  }

  /** Partitions that had to move, so that loads differ by at most one: of those that stayed, the surplus of each agent. */
  function surplus(was: ReadonlyMap<string, string>, number: number): number {
    const counts = agents.map(
      ({ name }) => [...was].filter(([id, process]) => Number(id) < number && process.startsWith(`${name} `)).length,
    )
    return counts.reduce((sum, count) => sum + Math.max(0, count - Math.ceil(number / agents.length)), 0)
  }

  before(async () => {
    agents = ['s1', 'a1', 'a2'].map(name => shared().agent(name))
    work = stage(shared(), 'work', 'quiet', { partitions: { count: 10 }, ...terms })
    await enter(work, agents)
    await settled(work, agents)
  })

  it('scales down: the highest numbers stop, and what stays moves no more than balance asks', async () => {
    const was = everywhere(work, agents)
    assert.equal(was.size, 10)
    assert.match(await scale('work', '4'), /^work: 4 partitions \(it was 10\); removed 9, 8, 7, 6, 5, 4$/)
    await become(4)
    await until('as many to move as balance asks', see => {
      const moved = changed(was, everywhere(work, agents)).filter(id => Number(id) < 4)
      return see(moved).length === surplus(was, 4)
    })
  })

  it('scales up: only new ones start, and what ran moves no more than balance asks', async () => {
    const was = everywhere(work, agents)
    assert.match(await scale('work', '12'), /^work: 12 partitions \(it was 4\); added 4, 5, 6, 7, 8, 9, 10, 11$/)
    assert.deepEqual(await become(12, was), range(12).slice(4))
    assert.deepEqual(
      changed(was, everywhere(work, agents)).filter(id => Number(id) < 4),
      [],
    )
  })

  it('wins over a changed definition, and says so', async () => {
    const status = await statusOf(agents[1] as Agent, 'work')
    assert.match(status.remark ?? '', /people have set 12 partitions since .* until watchbill scale work --reset/)
    assert.equal(status.ok, true)
    const [agent] = agents as [Agent]
    await enter({ ...work, definition: { ...work.definition, partitions: { count: 11 } } }, [agent])
    await until('it to be in force there', async see =>
      /the definitions differ/.test(see((await statusOf(agent, 'work')).problem) ?? ''),
    )
    const { pending, partitions } = await statusOf(agent, 'work')
    assert.deepEqual([pending, partitions.length], [[], 12])
    await enter(work, [agent])
    await settled(work, agents)
  })

  it('changes by so many, and goes back to the definition', async () => {
    assert.match(await scale('work', '--by', '+2', '--dry-run'), /^work: 14 partitions .*would add 12, 13$/)
    const was = everywhere(work, agents)
    assert.match(await scale('work', '--by', '+2'), /^work: 14 partitions \(it was 12\); added 12, 13$/)
    assert.deepEqual(await become(14, was), ['12', '13'])
    assert.match(await scale('work'), /^work: 14 partitions, by hand$/)
    await scale('work', '--reset')
    await become(10)
    assert.equal((await statusOf(agents[0] as Agent, 'work')).remark, null)
    await neverTwice(work)
  })

  it('as a percentage of weights, or of a number in meta, follows a member that goes and comes', async () => {
    const shares = [
      stage(shared(), 'share', 'quiet', { partitions: { percent: 200, of: 'weight', settle: '3s' }, ...terms }),
      stage(shared(), 'cores', 'quiet', {
        ...{ partitions: { percent: 25, of: 'meta.cores', settle: '3s' }, meta: { cores: 8 } },
        ...terms,
      }),
    ]
    for (const share of shares) await enter(share, agents)
    const runs = (share: Stage, number: number) =>
      until(
        `${number} partitions of ${share.definition.name}`,
        async see => {
          const now = await settled(share, agents, 90_000)
          return see(now.partitions.length) === number
        },
        { deadline: 90_000, every: 200 },
      )
    for (const share of shares) await runs(share, 6)
    const [s1, , a2] = agents as [Agent, Agent, Agent]
    await a2.stop('SIGKILL')
    for (const { definition } of shares) {
      await until(
        `4 partitions of ${definition.name} on two`,
        async see => see((await statusOf(s1, definition.name)).partitions.length) === 4,
        { deadline: 60_000, every: 200 },
      )
    }
    await a2.start()
    for (const share of shares) {
      await runs(share, 6)
      await neverTwice(share)
    }
  })
})
