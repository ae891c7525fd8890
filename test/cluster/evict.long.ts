import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Agent, tunedGossip } from '../lab/cluster.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { program } from '../lab/install.ts'
import { until } from '../lab/until.ts'
import { enter, faultless, processes, range, settled, stage } from './stage.ts'

/** L + G + 1 s of the definitions below. */
const takeoverWait = 10_000

interface Lock {
  readonly Key: string
  readonly Value: string
  readonly Session?: string
}

interface GossipMember {
  readonly Name: string
  readonly Status: number
}
/** Of serf's states: alive 1, leaving 2, left 3, failed 4. */
const left = 3

test('a dead node is evicted for good, and its locks have their takeover wait all the same', async t => {
  const cluster = await clusterFor(t, { clients: 2, settings: tunedGossip })
  const [s1, a1, a2] = cluster.agents as [Agent, Agent, Agent]
  const terms = { lease: '7s', stop: { grace: '2s' } }
  const work = stage(cluster, 'work', 'beating', { partitions: { range: [0, 5] }, ...terms })
  const more = stage(cluster, 'more', 'quiet', { partitions: { list: ['x'] }, ...terms })
  await enter(work, [s1, a1, a2])
  await enter(more, [a2])
  await settled(work, [s1, a1, a2])
  await settled(more, [a2])
  const evict = (...args: string[]) => program('evict', [...args, '--http-addr', s1.http])

  await t.test('not while it lives', async () => {
    await assert.rejects(evict('--node', 'a2', '--yes'), {
      exitCode: 100,
      stderr: 'evict: permanent: cannot evict a2: it lives; run leave there, or say --force',
    })
    await assert.rejects(evict('work', 'a2:work', '--yes'), { exitCode: 100, stderr: /a2:work: it lives/ })
    await assert.rejects(evict('--node', 'none', '--yes'), { exitCode: 100, stderr: /knows no such node/ })
    await assert.rejects(evict('--node', 'a2', 'work', 'a2:work'), { exitCode: 100, stderr: /read the arguments/ })
    await settled(work, [s1, a1, a2])
  })

  const its = [...processes(a2, work.definition).keys()].map(id => `watchbill/work/lock/${id}`)
  const freed = until('its locks to be taken', () => allTaken(s1, its), { deadline: 60_000, every: 20 })
  await a2.stop('SIGKILL')
  await until('Consul to see that it is dead', async see => {
    const checks = await s1.api<{ CheckID: string; Status: string }[]>('GET', '/v1/health/node/a2')
    return see(checks).some(({ CheckID, Status }) => CheckID === 'serfHealth' && Status === 'critical')
  })

  await t.test('not unless somebody says yes', async () => {
    await assert.rejects(evict('--node', 'a2'), { exitCode: 100, stderr: /there is no terminal; say --yes/ })
    assert.match(await evict('--node', 'a2', '--dry-run'), /^would evict a2 \(a2:more, a2:work\), and a2 from Consul; /)
    assert.ok((await s1.api<unknown[]>('GET', '/v1/catalog/node-services/a2')) !== null)
  })

  await t.test('with all that Consul knows of it', async () => {
    const said = JSON.parse(await evict('--node', 'a2', '--yes', '--json'))
    const evicted = ['more', 'work'].map(service => ({ instance: `a2:${service}`, service }))
    assert.deepEqual(said, { dryRun: false, evicted, forcedOut: 'a2' })
    assert.equal(await s1.api('GET', '/v1/catalog/node/a2'), null)
    await until('everybody to know that it left', async see => {
      const seen = await Promise.all([s1, a1].map(agent => agent.api<GossipMember[]>('GET', '/v1/agent/members')))
      return see(seen.flat().filter(({ Name }) => Name === 'a2')).every(({ Status }) => Status === left)
    })
    const keys = await s1.api<string[]>('GET', '/v1/kv/watchbill/?keys')
    assert.deepEqual(
      keys.filter(key => key.includes('a2') && !/\/\.?events?\//.test(key)), // what happened stays
      [],
    )
    const { waited, clean } = await freed
    assert.equal(clean, false, 'a lock was given out as clean')
    assert.ok(waited > takeoverWait - 500, `taken after ${waited} ms`)
  })

  await t.test('and what it ran runs elsewhere, never twice', async () => {
    await settled(work, [s1, a1])
    await faultless(work, range(6))
  })

  await t.test('it may come back all the same', async () => {
    await a2.start()
    await settled(work, [s1, a1, a2])
    await settled(more, [a2])
    await faultless(work, range(6))
  })
})

const free = { since: 0, clean: false }

/** How long the locks were seen free, ms, once another session has all of them; and whether one was ever clean. */
async function allTaken(agent: Agent, keys: readonly string[]): Promise<{ waited: number; clean: boolean } | null> {
  const locks = (await agent.api<Lock[]>('GET', '/v1/kv/watchbill/work/lock/?recurse')).filter(({ Key }) =>
    keys.includes(Key),
  )
  const idle = locks.filter(({ Session }) => Session === undefined)
  free.clean ||= idle.some(({ Value }) => JSON.parse(Buffer.from(Value, 'base64').toString()).clean !== undefined)
  if (idle.length === locks.length && free.since === 0) free.since = performance.now()
  const waited = performance.now() - free.since
  return locks.length === keys.length && idle.length === 0 && free.since > 0 ? { waited, clean: free.clean } : null
}
