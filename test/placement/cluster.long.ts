import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import type { Outlook } from '../../lib/operate/plan/moves.ts'
import type { Status } from '../../lib/operate/status/status.ts'
import { neverTwice, type Stage, stage, statusOf } from '../cluster/stage.ts'
import type { Agent } from '../lab/cluster.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { install, program } from '../lab/install.ts'
import { until } from '../lab/until.ts'

/** node -> zone: 2, 1 and 1 machines. */
const zones = { s1: 'x', a1: 'x', a2: 'y', a3: 'z' } as const

describe('placement on real agents', () => {
  const shared = sharedCluster({ clients: 3 })
  let agents: Agent[]
  let work: Stage

  const watchbill = (name: string, ...args: string[]) =>
    program(name, [...args, '--http-addr', shared().agent('s1').http])
  const owners = ({ partitions }: Status) =>
    new Map(
      partitions.flatMap(({ partition, instance }) => (instance === null ? [] : [[partition, instance] as const])),
    )
  const numbers = (owned: ReadonlyMap<string, string>, of: (instance: string) => string) => {
    const counts: Record<string, number> = {}
    for (const instance of owned.values()) counts[of(instance)] = (counts[of(instance)] ?? 0) + 1
    return counts
  }
  const zoneOf = (instance: string) => zones[instance.split(':')[0] as keyof typeof zones]
  const file = () => join(shared().root, 'rules.json')

  /** Waits until the status is so, and so many run. */
  const running = (what: string, number: number, is: (status: Status) => boolean = () => true) =>
    until(
      what,
      async see => {
        const status = await statusOf(shared().agent('s1'), 'work')
        see(status.summary)
        const all = status.partitions.filter(({ state }) => state === 'running').length === number
        return (
          all &&
          status.partitions.every(({ state }) => state === 'running' || state === 'unassigned') &&
          is(status) &&
          status
        )
      },
      { deadline: 60_000, every: 200 },
    )

  async function apply(placement: object): Promise<void> {
    writeFileSync(file(), JSON.stringify({ ...work.definition, placement }))
    await watchbill('placement', 'work', 'apply', file())
  }

  before(async () => {
    agents = ['s1', 'a1', 'a2', 'a3'].map(name => shared().agent(name))
    const placement = { spread: [{ over: 'meta.zone' }] }
    work = stage(shared(), 'work', 'beating', { partitions: { range: [0, 8] }, stop: { grace: '1s' }, placement })
    for (const agent of agents) {
      const meta = { zone: zones[agent.name as keyof typeof zones] }
      await install(agent, { ...work.definition, meta } as Stage['definition'])
    }
  })

  it('spreads over zones of 2, 1 and 1 machines, as a definition asks for', async () => {
    const status = await running('all nine to run, three in each zone', 9, status => {
      const counts = Object.values(numbers(owners(status), zoneOf))
      return counts.length === 3 && counts.every(count => count === 3)
    })
    assert.deepEqual(status.problems, [])
  })

  it('balances over the rest when a zone is lost, and moves no more than that; plan had said it', async () => {
    const was = owners(await running('all to run', 9))
    const said = JSON.parse(await watchbill('plan', 'work', '--drain', 'a3', '--json')) as Outlook
    await watchbill('drain', 'work', 'a3:work')
    const now = owners(
      await running('all to run on the others', 9, status => ![...owners(status).values()].includes('a3:work')),
    )
    assert.deepEqual(Object.values(numbers(now, zoneOf)).sort(), [4, 5])
    const moved = [...now].filter(([id, instance]) => was.get(id) !== instance)
    assert.deepEqual(
      moved.map(([id]) => id).sort(),
      [...was]
        .filter(([, instance]) => instance === 'a3:work')
        .map(([id]) => id)
        .sort(),
    )
    assert.deepEqual(new Map(said.moves.map(({ partition, to }) => [partition, to])), new Map(moved))
    await watchbill('drain', 'work', 'a3:work', 'off')
    await running('all to be spread again', 9, status =>
      Object.values(numbers(owners(status), zoneOf)).every(count => count === 3),
    )
  })

  it('moves what plan said, whatever changes', async t => {
    const rules = [
      { only: [{ for: '1', attribute: 'node', is: 'a2' }] },
      { spread: [{ over: 'meta.zone' }], cost: [{ for: '3', is: 4 }] },
      { only: [{ for: '*', attribute: 'meta.zone', not: 'z' }] },
      { prefer: [{ attribute: 'node', is: 'a1', weight: 5 }] },
      {
        cost: [
          { for: '2', is: 3 },
          { for: '5', is: 2 },
        ],
      },
      {},
      { spread: [{ over: 'meta.zone', shares: { x: 2, y: 1, z: 1 } }] },
    ]
    let state = 7
    const any = (below: number) => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0
      return (state >>> 8) % below
    }
    let drained: string | null = null
    for (let round = 0; round < 12; round++) {
      const was = owners(await running('the cluster to be quiet', 9))
      const drains: boolean = drained === null && any(3) === 0
      const instance = `${['s1', 'a1', 'a2', 'a3'][any(4)]}:work`
      const placement = rules[round % rules.length] as object
      writeFileSync(file(), JSON.stringify({ ...work.definition, placement }))
      const asked = drains ? ['--drain', instance] : ['--definition', file()]
      const said = JSON.parse(await watchbill('plan', 'work', ...asked, '--json')) as Outlook
      if (said.unplaced.length > 0) continue // it would take a partition's place away
      if (drains) await watchbill('drain', 'work', instance)
      else await watchbill('placement', 'work', 'apply', file())
      const wanted = new Map(was)
      for (const { partition, to } of said.moves) wanted.set(partition, to as string)
      const now = await running(`what plan said, ${asked.join(' ')}`, 9, status => {
        const found = owners(status)
        return [...wanted].every(([id, to]) => found.get(id) === to)
      })
      assert.deepEqual(owners(now), wanted)
      t.diagnostic(`${asked.join(' ')}: ${said.moves.length} moved`)
      if (drained !== null) {
        await watchbill('drain', 'work', drained, 'off')
        await until(
          'nobody to be drained',
          async () => {
            const { instances } = await statusOf(shared().agent('s1'), 'work')
            return instances.every(({ state, held, assigned }) => state === 'member' && held === assigned)
          },
          { deadline: 60_000 },
        )
        drained = null
      } else if (drains) drained = instance
    }
    if (drained !== null) await watchbill('drain', 'work', drained, 'off')
  })

  it('more partitions apart than nodes: the rest says why', async () => {
    await apply({ apart: [{ over: 'node' }] })
    const { partitions } = await running('four to run', 4)
    const why = partitions.filter(({ state }) => state === 'unassigned').map(({ why }) => why)
    assert.deepEqual([...new Set(why)], ['4 members have another of its group (apart by node)'])
    await apply({})
    await running('all to run again', 9)
  })

  it('a definition with rules that were replaced changes nothing, and status names it', async () => {
    const status = await running('all to run', 9)
    assert.match(status.problems.join(), /the placement in the definition of .* was replaced and is not in force/)
    assert.match(await watchbill('placement', 'work'), /no rule of placement is in force/)
  })

  it('a pin holds; it does not count while its node is away, and again once it is back', async () => {
    await watchbill('pin', 'work', '7', 'a3:work')
    const at = (instance: string | null) => (status: Status) =>
      instance === null ? owners(status).get('7') !== 'a3:work' : owners(status).get('7') === instance
    await running('7 to run on a3', 9, at('a3:work'))
    await shared().agent('a3').stop('SIGKILL')
    await running('7 to run elsewhere', 9, at(null))
    await shared().agent('a3').start()
    await running('7 to be back on a3', 9, at('a3:work'))
    await watchbill('unpin', 'work', '7')
    await assert.rejects(watchbill('pin', 'work', '7', 'nobody:work'), /has no such instance/)
    await neverTwice(work)
  })
})
