/** Tokens that lose a part of what they may while everything runs: everybody can see which, and nobody stops a process for it. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { changed, everywhere, neverTwice, type Stage, settled, stage, statusOf } from '../cluster/stage.ts'
import type { Agent } from '../lab/cluster.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { install } from '../lab/install.ts'
import { until } from '../lab/until.ts'
import { guarded, keyRule, letAgents, rulesFor, type Token, tokenFor, without } from './lab.ts'

interface Loss {
  readonly service: string
  readonly missing: string
  readonly left: (rules: string) => string
  /** Where the instances can say so. */
  readonly told: 'in status' | 'by the guard'
  /** Without it nothing can be proved: the lease runs out. */
  readonly ends: boolean
}

const key = (part: string, ends = false): Loss => ({
  service: part,
  missing: `key_prefix "watchbill/${part}/${part}/" read`,
  left: rules => rules + keyRule(part, part, 'deny'),
  told: ends ? 'by the guard' : 'in status',
  ends,
})

const losses: Loss[] = [
  key('lock', true),
  key('partition'),
  key('member'),
  key('spec'),
  {
    service: 'service',
    missing: 'service:read on service',
    left: rules => without(rules, 'service'),
    told: 'in status',
    ends: false,
  },
  {
    service: 'node',
    missing: 'node:read on ',
    left: rules => without(rules, 'node_prefix'),
    told: 'in status',
    ends: false,
  },
  {
    service: 'keys',
    missing: 'key_prefix "watchbill/keys/lock/" read',
    left: rules => without(rules, 'key_prefix'),
    told: 'by the guard',
    ends: true,
  },
]

const slow = { lease: '20s', guard: { interval: '4s' }, stop: { grace: '1s' } }
/** L, G, and a guard interval, ms. */
const longest = 20_000 + 1000 + 4000

it('a permission that is lost while all runs is named; only without proof of the locks does the lease end', async t => {
  const cluster = await clusterFor(t, guarded({ clients: 0 }))
  const [s1] = cluster.agents as [Agent]
  await letAgents(
    s1,
    losses.map(({ service }) => service),
  )
  const running: { loss: Loss; work: Stage; token: Token; before: Map<string, string> }[] = []
  for (const loss of losses) {
    const work = stage(cluster, loss.service, 'quiet', { ...slow, partitions: { range: [0, 1] } })
    const token = await tokenFor(s1, rulesFor('policy', loss.service))
    await install(s1, work.definition, '--token-file', token.file)
    running.push({ loss, work, token, before: new Map() })
  }
  for (const one of running) {
    await settled(one.work, [s1])
    one.before = everywhere(one.work, [s1])
  }

  for (const { loss, token } of running) await token.may(loss.left(rulesFor('policy', loss.service)))
  const lost = performance.now()
  const output = async (service: string) => {
    const checks = await s1.api<Record<string, { Output: string }>>('GET', '/v1/agent/checks')
    return checks[`${service}-guard`]?.Output ?? ''
  }
  for (const { loss } of running) {
    await until(
      `${loss.missing} to be named ${loss.told}`,
      async see => {
        if (loss.told === 'by the guard') return see(await output(loss.service)).includes(loss.missing)
        const { problem } = await statusOf(s1, loss.service)
        return see(problem)?.includes(`s1:${loss.service} `) && problem?.includes(`missing permission: ${loss.missing}`)
      },
      { deadline: 30_000, every: 500 },
    )
  }
  await until('every lease to be over that was not extended', () => performance.now() - lost > longest + 2000, {
    deadline: 2 * longest,
  })
  for (const { loss, work, before } of running) {
    if (loss.ends) assert.equal(everywhere(work, [s1]).size, 0, `without ${loss.missing}`)
    else assert.deepEqual(changed(before, everywhere(work, [s1])), [], `without ${loss.missing}`)
  }

  for (const { loss, token } of running) await token.may(rulesFor('policy', loss.service))
  for (const { work, before, loss } of running) {
    await settled(work, [s1])
    if (!loss.ends) assert.deepEqual(changed(before, everywhere(work, [s1])), [], `with ${loss.missing} again`)
    await neverTwice(work)
  }
})
