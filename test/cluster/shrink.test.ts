import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Agent } from '../lab/cluster.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { configure, install, program } from '../lab/install.ts'
import { until } from '../lab/until.ts'
import { changed, enter, everywhere, neverTwice, processes, settled, stage, statusOf } from './stage.ts'

test('a definition that shrinks the set on one machine stops nothing until it is applied, from any agent', async t => {
  const cluster = await clusterFor(t, { clients: 2 })
  const [s1, a1, a2] = cluster.agents as [Agent, Agent, Agent]
  const work = stage(cluster, 'work', 'quiet', { partitions: { range: [0, 11] } })
  await enter(work, [s1, a1])
  await settled(work, [s1, a1])
  const before = everywhere(work, [s1, a1])
  const check = (agent: Agent) => program('status', ['work', '--check', '--http-addr', agent.http])
  const apply = (agent: Agent, ...more: string[]) =>
    program('partitions', ['work', 'apply', ...more, '--http-addr', agent.http])
  const saved = (from: number, to: number) => ({ ...work.definition, partitions: { range: [from, to] } })

  await t.test('configure says so when it is saved', async () => {
    await assert.doesNotReject(configure(a1, saved(0, 3)))
    const places = ['--consul-dir', a1.configDir, '--state', a1.state, '--http-addr', a1.http, '--dry-run']
    const said = await program('configure', [`${a1.etc}/work.json`, ...places, '--home', cluster.root], a1)
    assert.match(
      said,
      /^REMOVES: the definition of work removes 8 partitions \(4, 5, 6, 7, 8, 9, 10, 11\): nothing is changed until watchbill partitions work apply$/m,
    )
  })

  await t.test('every agent says so, and nothing is stopped', async () => {
    await a1.reload()
    await until('status to say so', async () => (await statusOf(a2, 'work')).pending.length === 1, { deadline: 30_000 })
    for (const agent of [s1, a1, a2]) {
      await assert.rejects(check(agent), {
        exitCode: 1,
        stdout:
          /12 partitions on 2 members; 12 running; the definition of a1:work removes 8 partitions \(4, .*\), and nothing is changed: correct the definition, or watchbill partitions work apply; the definitions differ: a1:work \/ /,
      })
    }
    const [entry] = await s1.api<{ Value: string }[]>('GET', '/v1/kv/watchbill/work/proposal/a1:work')
    assert.match(Buffer.from(entry?.Value ?? '', 'base64').toString(), /^\{"change":".*","removes":8,"removed":\["4",/)
    const own = ['--instance', 'a1:work', '--service', 'work', '--definition', `${a1.etc}/work.json`]
    const dry = await program('reconcile', [...own, '--state', a1.state, '--http-addr', a1.http, '--dry-run'], a1)
    assert.match(dry, /^the definition of work removes 8 partitions .*: nothing is changed until watchbill/m)
    assert.deepEqual(changed(before, everywhere(work, [s1, a1])), [])
  })

  await t.test('a machine that is set up anew with an old file changes nothing', async () => {
    await install(a2, saved(0, 9))
    await until('both to be told of', async () => (await statusOf(s1, 'work')).pending.length === 2, {
      deadline: 30_000,
    })
    assert.equal((await statusOf(s1, 'work')).partitions.length, 12)
    await assert.rejects(apply(s1), { exitCode: 100, stderr: /several differ: .*; name an instance/ })
  })

  await t.test('it is applied from another agent, and the rest goes on', async () => {
    assert.match(await apply(a2, 'a1:work'), /^applied: the definition of a1:work removes 8 partitions \(4, /)
    for (const agent of [s1, a2]) await install(agent, saved(0, 3))
    const status = await settled(work, [s1, a1, a2])
    assert.deepEqual([status.pending, status.partitions.map(({ partition }) => partition)], [[], ['0', '1', '2', '3']])
    await check(s1)
  })

  await t.test('growing is automatic', async () => {
    await install(a1, saved(0, 5))
    await until(
      'six processes',
      () => [s1, a1, a2].flatMap(agent => [...processes(agent, work.definition)]).length === 6,
      { deadline: 30_000 },
    )
  })
  await neverTwice(work)
})
