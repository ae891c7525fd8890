import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { campaign, each } from './campaign.ts'
import { faults, faultsNamed, fewFaults } from './registry.ts'

const hosts = ['a1', 'a2', 'a3']

describe('a campaign', () => {
  it('is the same for the same seed, and its beginning does not depend on its length', () => {
    assert.deepEqual(campaign(7, 100, faults, hosts), campaign(7, 100, faults, hosts))
    assert.deepEqual(campaign(7, 40, faults, hosts), campaign(7, 100, faults, hosts).slice(0, 40))
  })

  it('differs for another seed', () => {
    assert.notDeepEqual(campaign(7, 100, faults, hosts), campaign(8, 100, faults, hosts))
  })

  it('has single faults and pairs, each pair on two hosts, and never takes away two servers', () => {
    const trials = campaign(1, 500, faults, hosts)
    const pairs = trials.filter(trial => trial.faults.length === 2)
    assert.ok(pairs.length > 150 && pairs.length < 350, `${pairs.length} pairs`)
    for (const { faults, hosts } of pairs) {
      assert.notEqual(hosts[0], hosts[1])
      assert.ok(faults.some(({ hits }) => hits === 'client'))
    }
  })

  it('includes every fault in the end', () => {
    const names = campaign(1, 500, faults, hosts).flatMap(trial => trial.faults.map(({ name }) => name))
    assert.deepEqual([...new Set(names)].sort(), faults.map(({ name }) => name).sort())
  })
})

describe('each fault', () => {
  it('occurs as often as requested', () => {
    const names = each(1, 3, faults, hosts).flatMap(trial => trial.faults.map(({ name }) => name))
    assert.deepEqual(
      names,
      [...faults, ...faults, ...faults].map(({ name }) => name),
    )
  })

  it('has a unique name, and the faults for CI are known', () => {
    assert.equal(new Set(faults.map(({ name }) => name)).size, faults.length)
    assert.equal(faultsNamed(fewFaults).length, 8)
    assert.throws(() => faultsNamed(['flood']), /there is no fault "flood"; there are host-cut, /)
  })
})
