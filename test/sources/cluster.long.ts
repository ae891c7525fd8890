import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { execa } from 'execa'
import { keysOf } from '../../lib/base/names.ts'
import { Consul } from '../../lib/consul/http.ts'
import { readPartitions } from '../../lib/keys/partition-set.ts'
import { readFact } from '../../lib/state/facts.ts'
import { instanceFiles } from '../../lib/state/paths.ts'
import {
  changed,
  enter,
  everywhere,
  neverTwice,
  type Stage,
  settled,
  stage,
  stageOfOne,
  statusOf,
} from '../cluster/stage.ts'
import { type Agent, tunedGossip } from '../lab/cluster.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { instanceOf, program } from '../lab/install.ts'
import { type See, until } from '../lab/until.ts'

const every = 2000
const guardInterval = 2000
/** L + G + 1 s. */
const takeoverWait = 10_000
/** What the machine may add when it is busy, ms. */
const slack = 4000

describe('a set that a server answers with', () => {
  const shared = sharedCluster({ clients: ['a1', 'a2'], settings: tunedGossip })
  const { answer, list } = source()
  let agents: Agent[]
  let work: Stage

  const watchbill = (agent: Agent, ...args: string[]) =>
    program('partitions', ['work', ...args, '--http-addr', agent.http])
  const ids = async () => (await partitions(shared().agent('s1'))).map(({ id }) => id)

  /** Waits until the service keeps exactly what the list says, and how long that took, ms. */
  async function inForce(deadline: number, more: readonly string[] = []): Promise<void> {
    const wanted = [...list.map(({ id }) => id), ...more].sort().join()
    await until(`${wanted} to be the set`, async (see: See) => see((await ids()).sort().join()) === wanted, {
      deadline,
    })
  }

  before(async () => {
    agents = ['s1', 'a1', 'a2'].map(name => shared().agent(name))
    const http = { url: answer.url(), headers: { accept: 'application/json' } }
    const limits = { every: `${every}ms`, timeout: '1s', giveUpAfter: '0s', onChange: 'restart' }
    work = stage(shared(), 'work', 'beating', { partitions: { http, ...limits }, lease: '7s', stop: { grace: '2s' } })
    await enter(work, agents)
    await inForce(30_000)
    await settled(work, agents)
  })

  it('runs, each with its document, and one instance asks', async () => {
    const status = await statusOf(shared().agent('a1'), 'work')
    assert.equal(status.partitions.length, 12)
    assert.ok(status.source?.by.endsWith(':work'))
    for (const { partition, instance } of status.partitions) {
      const agent = agents.find(agent => instanceOf(agent, work.definition) === instance) as Agent
      const { document } = instanceFiles(agent.state, instance as string).partition(partition)
      assert.deepEqual(JSON.parse(readFileSync(document, 'utf8')), { id: partition, n: 0 })
    }
    for (const { partition, instance } of status.partitions) {
      const [lock] = await shared()
        .agent('a2')
        .api<{ Session?: string; Value: string }[]>('GET', `/v1/kv/watchbill/work/lock/${partition}`)
      assert.ok(lock?.Session)
      assert.equal(
        JSON.parse(Buffer.from(lock.Value, 'base64').toString()).instance,
        instance,
        'as docs/finding-the-owner.md says',
      )
    }
    assert.match(await watchbill(shared().agent('a2')), /^l0 +source +\d+ bytes$/m)
  })

  it('passes a changed document on to its process, and to no other', async () => {
    const was = everywhere(work, agents)
    const one = list[3] as (typeof list)[number]
    one.n = 1
    await until(
      'it to be restarted',
      () => changed(was, everywhere(work, agents)).includes(one.id) && everywhere(work, agents).has(one.id),
      {
        deadline: 20_000,
      },
    )
    await settled(work, agents)
    assert.deepEqual(changed(was, everywhere(work, agents)), [one.id])
  })

  it('is fetched at once when somebody asks, and by force whatever it lacks', async () => {
    const all = list.splice(2)
    await until(
      'it to be refused',
      async () => /it lacks/.test((await statusOf(shared().agent('a1'), 'work')).problem ?? ''),
      {
        deadline: 20_000,
      },
    )
    await assert.rejects(
      watchbill(shared().agent('a2'), 'sync'),
      /temporary: cannot fetch .* refused: it lacks 10 of the 12/,
    )
    assert.match(await watchbill(shared().agent('a2'), 'sync', '--force'), /^fetched; removed: /)
    assert.deepEqual((await ids()).sort(), ['l0', 'l1'])
    list.push(...all)
    assert.match(await watchbill(shared().agent('a1'), 'sync'), /^fetched; added: /)
    await inForce(1000)
  })

  it('loses none of 20 that are added at the same moment from three agents, and the next fetch leaves them', async () => {
    const added = Array.from({ length: 20 }, (_, n) => `hand-${n}`)
    await Promise.all(added.map((id, n) => watchbill(agents[n % 3] as Agent, 'add', id)))
    await inForce(1000, added)
    const asked = answer.asked
    await until('another fetch or two', () => answer.asked > asked + 1, { deadline: 20_000 })
    await inForce(1000, added)
    const found = await partitions(shared().agent('s1'))
    assert.equal(found.filter(({ from }) => from === 'hand').length, 20)
    await watchbill(shared().agent('a1'), 'remove', ...added)
    await inForce(1000)
    await settled(work, agents)
  })

  it('comes from a module or a program too; and what is added by hand has its document', async () => {
    const folder = join(shared().root, 'sources')
    mkdirSync(folder)
    const module = join(folder, 'links.ts')
    writeFileSync(module, `export const fetch = async (): Promise<object[]> => [{ id: 'm', n: 1 }, { id: 'n' }]`)
    const kinds = { modular: { module }, printing: { command: ['printf', 'x\\ny\\n'], format: 'lines' } }
    const agent = shared().agent('s1')
    for (const [name, partitions] of Object.entries(kinds)) {
      const other = stage(shared(), name, 'quiet', { partitions })
      await enter(other, [agent])
      const ids = name === 'modular' ? 'm,n' : 'x,y'
      await until(
        `${name} to have ${ids}`,
        async (see: See) => {
          const { partitions, problem } = await statusOf(agent, name)
          see(problem)
          return partitions.map(({ partition }) => partition).join() === ids
        },
        { deadline: 20_000 },
      )
      await settled(other, [agent])
    }
    const said = await execa(
      process.execPath,
      [
        join(import.meta.dirname, '../../handlers/partitions.ts'),
        'printing',
        'add',
        'z',
        '--document',
        '-',
        '--http-addr',
        agent.http,
      ],
      { input: '{"by": "hand"}' },
    )
    assert.equal(said.stdout, 'added: z; removed: none; changed: none')
    const { document } = instanceFiles(agent.state, `${agent.name}:printing`).partition('z')
    await until('its document to be there', () => readFileSync(document, 'utf8') === '{"by":"hand"}\n', {
      deadline: 20_000,
    })
  })

  it('goes to the one process for all as well, and a changed document through a stop that it confirms', async () => {
    const file = join(shared().root, 'links.json')
    const items = (...ns: number[]) => writeFileSync(file, JSON.stringify(ns.map((n, at) => ({ id: `w${at}`, n }))))
    items(0, 0, 0)
    const agent = shared().agent('s1')
    const partitions = { file, every: '1s', onChange: 'restart' }
    const one = stageOfOne(shared(), 'one', 'beating', { partitions, lease: '7s', stop: { grace: '2s' } })
    await enter(one, [agent])
    const { worker } = instanceFiles(agent.state, `${agent.name}:one`)
    const handed = () => {
      const lines = (readFact(worker.assignment) ?? '').split('\n').filter(line => line !== '')
      const found = lines.map(
        line => JSON.parse(line) as { id: string; token: string; document: string; since: string },
      )
      return found.sort((a, b) => (a.id < b.id ? -1 : 1))
    }
    const ns = () => handed().map(({ document }) => JSON.parse(readFileSync(document, 'utf8')).n)
    const are = (...wanted: number[]) =>
      until(`${wanted} to be handed over`, (see: See) => see(ns()).join() === wanted.join(), { deadline: 20_000 })
    await are(0, 0, 0)
    const before = handed()
    items(0, 1, 0)
    await are(0, 1, 0)
    await settled(one, [agent])
    const after = await until('it to be handed over anew', () => handed()[1]?.since !== before[1]?.since && handed())
    assert.deepEqual([after[0], after[2]], [before[0], before[2]])
    assert.equal(after[1]?.token, before[1]?.token)
    await neverTwice(one)
  })

  it('is fetched by another when the agent of whoever did so is killed', async () => {
    const { source } = await statusOf(shared().agent('s1'), 'work')
    // The server is the only one: Consul would go with it.
    const victim = agents.find(agent => instanceOf(agent, work.definition) === source?.by && !agent.server)
    if (victim === undefined) return moved()
    await killed(victim)
  })

  async function killed(victim: Agent): Promise<void> {
    await victim.stop('SIGKILL')
    list.push({ id: 'after-the-loss', n: 0 })
    const begun = performance.now()
    const detected = 5000 // by tuned gossip, at most
    await inForce(detected + takeoverWait + guardInterval + every + slack)
    const { source } = await statusOf(shared().agent('s1'), 'work')
    assert.notEqual(source?.by, instanceOf(victim, work.definition))
    console.log(`fetched by another ${Math.round(performance.now() - begun)} ms after the kill`)
    await settled(
      work,
      agents.filter(agent => agent !== victim),
    )
  }

  /** A client shall have the duty: the server's session is ended, and a client is there before it. */
  async function moved(): Promise<void> {
    const server = shared().agent('s1')
    await until(
      'a client to fetch',
      async () => {
        const { source } = await statusOf(server, 'work')
        if (source?.by !== instanceOf(server, work.definition)) return true
        const key = keysOf('work').duty('source')
        const [entry] = await server.api<{ Session?: string; Value: string }[]>('GET', `/v1/kv/${key}`)
        const duty = JSON.parse(Buffer.from(entry?.Value ?? '', 'base64').toString())
        if (entry?.Session) await server.api('PUT', `/v1/kv/${key}?release=${entry.Session}`, duty)
        return false
      },
      { deadline: 60_000, every: 500 },
    )
    const { source } = await statusOf(server, 'work')
    await killed(agents.find(agent => instanceOf(agent, work.definition) === source?.by) as Agent)
  }

  it('never made anything run twice', () => neverTwice(work))
})

async function partitions(agent: Agent) {
  const consul = new Consul({ env: { CONSUL_HTTP_ADDR: agent.control } })
  try {
    return await readPartitions(consul, keysOf('work'))
  } finally {
    consul.close()
  }
}

/** A server whose list, and way of answering, tests change. */
function source() {
  const list = Array.from({ length: 12 }, (_, n) => ({ id: `l${n}`, n: 0 }))
  const answer = {
    asked: 0,
    url: () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/links`,
  }
  const server = createServer((_, response) => {
    answer.asked++
    response.end(JSON.stringify({ data: list }))
  })
  before(() => new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve)))
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { answer, list }
}
