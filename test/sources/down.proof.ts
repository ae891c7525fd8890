import assert from 'node:assert/strict'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import { keysOf } from '../../lib/base/names.ts'
import { Consul } from '../../lib/consul/http.ts'
import { readIds } from '../../lib/keys/partition-set.ts'
import { changed, enter, everywhere, neverTwice, type Stage, settled, stage, statusOf } from '../cluster/stage.ts'
import type { Agent } from '../lab/cluster.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { until } from '../lab/until.ts'

const interval = 3000
const intervals = 10
/** What starting the program, fetching and writing may take on a busy machine, ms. */
const slack = 3000

type Answer = (response: ServerResponse) => unknown

const ways: readonly [what: string, way: Answer, why: RegExp][] = [
  ['answers 500', response => response.writeHead(500).end('oops'), /status 500/],
  ['answers HTML', response => response.end('<html><h1>Welcome</h1></html>'), /it is no JSON/],
  ['answers an empty list', response => response.end('{"data": []}'), /refused: it holds no partition/],
  ['answers half a JSON', response => response.end('{"data": [{"id": "a"}, {"i'), /it is no JSON/],
  ['never answers', () => {}, /no end within 1 s/],
]

describe(`a source that is down for ${intervals} intervals`, { concurrency: true }, () => {
  const shared = sharedCluster({ clients: 2 })
  const answers = new Map<string, Answer>()
  const server = createServer(({ url = '' }, response) => answers.get(url)?.(response))
  const works: Stage[] = []

  before(async () => {
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    for (const at of ways.keys()) {
      answers.set(`/${at}`, list('a', 'b', 'c'))
      const http = { url: `http://127.0.0.1:${port}/${at}` }
      const limits = { every: `${interval}ms`, timeout: '1s', retry: '500ms', giveUpAfter: '0s' }
      const work = stage(shared(), `down${at}`, 'quiet', { partitions: { http, ...limits } })
      await enter(work, shared().agents)
      works.push(work)
    }
    for (const work of works) await set(work, 'a,b,c', 30_000)
    for (const work of works) await settled(work, shared().agents)
  })
  after(() => {
    server.closeAllConnections()
    server.close()
  })

  /** Waits until these are the partitions of the service. */
  async function set({ definition }: Stage, wanted: string, deadline: number): Promise<void> {
    const consul = new Consul({ env: { CONSUL_HTTP_ADDR: (shared().agents[0] as Agent).control } })
    const ids = () => readIds(consul, keysOf(definition.name))
    try {
      await until(`the set to be ${wanted}`, async see => see((await ids()).sort().join()) === wanted, { deadline })
    } finally {
      consul.close()
    }
  }

  for (const [at, [what, way, why]] of ways.entries()) {
    it(`and ${what} stops nobody, and every agent says why; then the next set is soon in force`, async t => {
      const work = works[at] as Stage
      const { agents } = shared()
      const was = everywhere(work, agents)
      answers.set(`/${at}`, way)
      const down = bootClock()
      await until('all intervals to pass', () => bootClock() - down > intervals * interval, {
        deadline: (intervals + 1) * interval,
      })
      assert.deepEqual(changed(was, everywhere(work, agents)), [])
      for (const agent of agents) assert.match((await statusOf(agent, work.definition.name)).problem ?? '', why)
      answers.set(`/${at}`, list('a', 'b', 'c', 'd'))
      const up = bootClock()
      await set(work, 'a,b,c,d', interval + slack)
      t.diagnostic(`in force ${((bootClock() - up) / interval).toFixed(2)} intervals after it was up again`)
      await settled(work, agents)
      assert.deepEqual(changed(was, everywhere(work, agents)), ['d'])
      assert.equal((await statusOf(agents[0] as Agent, work.definition.name)).problem, null)
      await neverTwice(work)
    })
  }
})

function list(...ids: string[]): Answer {
  return response => response.end(JSON.stringify({ data: ids.map(id => ({ id })) }))
}
