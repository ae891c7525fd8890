import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encode } from '../../lib/base/names.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { until } from '../lab/until.ts'
import { changed, enter, everywhere, faultless, range, settled, stage, statusOf } from './stage.ts'

interface Session {
  ID: string
  Name: string
}

interface Key {
  Session?: string
  Value: string
}

describe('a lock that is taken away', () => {
  test('is reclaimed without a restart: session destroyed, lock deleted, lock overwritten', async t => {
    const cluster = await clusterFor(t, { clients: 1 })
    const { agents } = cluster
    const [s1, a1] = agents as [(typeof agents)[0], (typeof agents)[0]]
    const work = stage(cluster, 'work', 'beating', { partitions: { range: [0, 3] } })
    await enter(work, agents)
    const status = await settled(work, agents)
    const before = everywhere(work, agents)
    const victim = status.partitions.find(({ instance }) => instance?.startsWith('a1:'))?.partition as string
    const key = `/v1/kv/watchbill/work/lock/${encode(victim)}`
    const lock = async () => (await s1.api<Key[]>('GET', key))[0]

    await t.test('the session destroyed over the API', async () => {
      const sessions = await s1.api<Session[]>('GET', '/v1/session/node/a1')
      const own = sessions.find(({ Name }) => Name.includes('a1:work')) as Session
      await s1.api('PUT', `/v1/session/destroy/${own.ID}`)
      await until('another session to hold the lock', async see => {
        const now = see((await lock())?.Session)
        return now !== undefined && now !== own.ID
      })
      await settled(work, agents)
      assert.deepEqual(changed(before, everywhere(work, agents)), [])
    })

    await t.test('the lock deleted', async () => {
      await a1.api('DELETE', key)
      await until('the lock to be held again', async () => (await lock())?.Session)
      await settled(work, agents)
      assert.deepEqual(changed(before, everywhere(work, agents)), [])
    })

    await t.test('the lock overwritten by a plain PUT', async () => {
      await a1.api('PUT', key, 'garbage')
      await until('the value to be mended', async see => {
        const value = (await lock())?.Value
        return value && see(Buffer.from(value, 'base64').toString()).includes('a1:work')
      })
      await settled(work, agents)
      assert.deepEqual(changed(before, everywhere(work, agents)), [])
    })

    assert.equal((await statusOf(s1, 'work')).ok, true)
    await faultless(work, range(4))
  })
})
