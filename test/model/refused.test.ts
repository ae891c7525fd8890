/** An older release has a partition with an id that newer agents refuse: what happens when the agents are upgraded. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Fleet, keys } from './fleet.ts'
import { loadLib, type Mutation } from './load.ts'
import { behaviours } from './versions.ts'

const lib = await loadLib()
const odd = 'tenant one'
const plain = ['0', '1', '2', '3', '4', '5', '6']

/** Three instances on older agents, with a partition set from an older release. */
async function settled(seed: number, of = lib): Promise<Fleet> {
  const terms = { lease: 10_000, grace: 3000, interval: 2000 }
  const fleet = new Fleet(of, { seed, hosts: 3, partitions: plain, terms, per: 'partition' })
  const { consul } = fleet
  for (const id of [...plain, odd]) {
    consul.put(keys.partition(id), '{"from":"definition"}')
    consul.put(keys.lock(id), '{"clean":true}')
  }
  consul.put(keys.revision, '{}')
  await fleet.settle()
  return fleet
}

const hostOf = (fleet: Fleet, partition: string) => fleet.running().get(partition)?.[0]?.host

/**
 * Upgrades all agents one after the other.
 * @returns whether the partition with the refused id runs, and which others were restarted
 */
async function upgraded(seed: number, of = lib): Promise<{ runs: boolean; hurt: string[] }> {
  const fleet = await settled(seed, of)
  const runOf = (id: string) => fleet.running().get(id)?.[0]?.run
  const before = new Map(plain.map(id => [id, runOf(id)]))
  for (const { name } of fleet.hosts) {
    fleet.consul.agents.set(name, behaviours['1.22.5'])
    await fleet.run(fleet.world.between('until the next one', 500, 20_000))
  }
  await fleet.run(60_000)
  return { runs: runOf(odd) !== undefined, hurt: plain.filter(id => runOf(id) !== before.get(id)) }
}

describe('an id that newer agents refuse', { concurrency: 1 }, () => {
  const seeds = [1, 2, 3, 4, 5]
  const mutant: Mutation = {
    name: 'a refused key is in the same transaction as the proof of other locks',
    file: 'consul/refused-key.ts',
    edits: [
      ['(keyRefusal(keyOf(item)) === null ? taken : others)', '(keyRefusal(keyOf(item)) === "" ? others : taken)'],
    ],
  }
  it(`costs others their lease when the rule is broken: ${mutant.name}`, async () => {
    const broken = await loadLib(mutant)
    const hurt = []
    for (const seed of seeds) hurt.push(...(await upgraded(seed, broken)).hurt)
    assert.notDeepEqual(hurt, [])
  })

  for (const seed of seeds) {
    it(`is the only partition lost when all agents are upgraded, one after the other (seed ${seed})`, async () => {
      assert.deepEqual(await upgraded(seed), { runs: false, hurt: [] })
    })

    it(`disturbs no hand-over and no takeover of another partition (seed ${seed})`, async () => {
      const fleet = await settled(seed)
      for (const { name } of fleet.hosts) fleet.consul.agents.set(name, behaviours['1.22.5'])
      const [gone] = fleet.hosts
      assert.ok(gone)
      const left = fleet.participants[0]?.leave()
      await fleet.run(30_000)
      assert.ok(await left)
      for (const id of plain) assert.ok(hostOf(fleet, id) && hostOf(fleet, id) !== gone, `${id} has an owner elsewhere`)
      fleet.consul.destroyOf(fleet.hosts[1]?.name ?? '')
      await fleet.run(60_000)
      for (const id of plain) assert.ok(hostOf(fleet, id), `${id} has an owner after a session was lost`)
    })

    it(`keeps running on an older agent, and never has two owners (seed ${seed})`, async () => {
      const fleet = await settled(seed)
      const holder = hostOf(fleet, odd)
      for (const host of fleet.hosts) if (host !== holder) fleet.consul.agents.set(host.name, behaviours['1.22.5'])
      await fleet.run(60_000)
      assert.equal(hostOf(fleet, odd), holder)
    })
  }
})
