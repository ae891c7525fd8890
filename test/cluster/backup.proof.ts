/** The end of a service, and its life after a backup: purge and restored against a real Consul, with its own kv commands. */
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { execa } from 'execa'
import { epochOf } from '../../lib/keys/settings.ts'
import { compareTokens } from '../lab/beats.ts'
import type { Agent } from '../lab/cluster.ts'
import { consulBinary } from '../lab/consul.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { instanceOf } from '../lab/install.ts'
import { until } from '../lab/until.ts'
import { enter, everywhere, neverTwice, type Stage, settled, stage, statusOf } from './stage.ts'

const patient = { deadline: 60_000 }

describe('a service', { concurrency: 1 }, () => {
  const shared = sharedCluster({ clients: 2 })
  const [server, first, second] = [() => shared().agent('s1'), () => shared().agent('a1'), () => shared().agent('a2')]
  const agents = () => [first(), second()]
  const instance = (agent: Agent) => instanceOf(agent, work.definition)
  let consulProgram: string
  let backup: string
  let work: Stage

  /** One of ours, asked through the server, which has no instance. @param of whose state directory it is to use */
  async function watchbill(of: Agent, name: string, ...args: string[]) {
    const { exitCode, stdout, stderr } = await execa(
      process.execPath,
      [join(import.meta.dirname, `../../handlers/${name}.ts`), ...args],
      {
        env: { WATCHBILL_STATE: of.state, CONSUL_HTTP_ADDR: (name === 'leave' ? of : server()).http },
        stdin: 'ignore',
        reject: false,
      },
    )
    return { code: exitCode, said: `${stdout}${stderr}` }
  }

  async function done(of: Agent, name: string, ...args: string[]): Promise<string> {
    const { code, said } = await watchbill(of, name, ...args)
    assert.equal(code, 0, said)
    return said
  }

  async function kv(act: string, ...args: string[]): Promise<string> {
    const env = { CONSUL_HTTP_ADDR: server().http }
    return (await execa(consulProgram, ['kv', act, ...args], { env, stdin: 'ignore' })).stdout
  }

  async function settings(): Promise<{ drained: string[]; epoch: number }> {
    return JSON.parse(await kv('get', 'watchbill/work/spec/settings'))
  }

  async function drainAll(): Promise<void> {
    for (const agent of agents()) await done(agent, 'drain', 'work', instance(agent))
    await until(
      'nothing to run, and every lock to be given back',
      async see => {
        const { partitions } = see(await statusOf(server(), 'work'))
        return partitions.every(({ instance }) => instance === null) && everywhere(work, agents()).size === 0
      },
      patient,
    )
  }

  const tokens = async () => [...new Set((await work.beats()).map(({ token }) => token))].sort(compareTokens)

  /** All that run now have started with a token of this epoch. */
  const allWith = (epoch: number) =>
    until(
      `tokens of epoch ${epoch}`,
      async see =>
        see(new Set((await work.beats()).flatMap(b => (epochOf(b.token) === epoch ? [b.partition] : [])))).size === 3,
      patient,
    )

  before(async () => {
    consulProgram = await consulBinary()
    backup = join(shared().root, 'backup.json')
    const more = { partitions: { range: [0, 2] }, lease: '6s', stop: { grace: '1s' } }
    work = stage(shared(), 'work', 'beating', more)
    await enter(work, agents())
    await settled(work, agents())
  })

  it('that runs is not taken for one that was restored', async () => {
    await done(first(), 'drain', 'work', instance(second()))
    await until('all on the first', () => everywhere(work, [first()]).size === 3, patient)
    writeFileSync(backup, await kv('export', 'watchbill/'))
    const { code, said } = await watchbill(first(), 'restored', 'work')
    assert.equal(code, 100)
    assert.match(said, /cannot say that work was restored: 0, 1, 2 runs, or may run; drain every instance/)
    assert.equal((await settings()).epoch, 0)
  })

  it('goes on after the backup with a higher epoch', async () => {
    await drainAll()
    assert.match(await done(first(), 'restored', 'work'), /^set the epoch of work to 1; no longer drained: a/)
    await settled(work, agents())
    await allWith(1)
  })

  it('is restored into new servers from the old backup: no drains, and tokens higher than all before', async () => {
    await drainAll()
    const before = await tokens()
    for (const agent of [...agents(), server()]) await agent.stop()
    rmSync(join(server().folder, 'data'), { recursive: true })
    await server().start()
    await until('a leader', () => kv('put', 'watchbill/other/spec/revision', '{}'))
    await kv('import', `@${backup}`)
    assert.deepEqual(await settings(), { drained: [instance(second())], held: [], epoch: 0 })
    const dry = await done(first(), 'restored', 'work', '--dry-run')
    assert.equal(dry, 'would set the epoch of work to 2; no longer drained: a2:work')
    assert.equal((await settings()).epoch, 0)
    const said = await done(first(), 'restored', 'work')
    assert.equal(said, 'set the epoch of work to 2; no longer drained: a2:work')
    assert.deepEqual(await settings(), { drained: [], held: [], epoch: 2 })
    await Promise.all(agents().map(agent => agent.start()))
    await settled(work, agents())
    await allWith(2)
    const after = (await tokens()).filter(token => !before.includes(token))
    assert.ok(after.length > 0) // one for several that were acquired in one transaction
    assert.ok(compareTokens(before.at(-1) ?? '', after[0] ?? '') < 0, `${before.at(-1)} before ${after[0]}`)
    await neverTwice(work)
  })

  it('is not purged while it runs, nor while one instance is left', async () => {
    const refused = async (who: RegExp) => {
      const { code, said } = await watchbill(first(), 'purge', 'work', '--yes')
      assert.equal(code, 100)
      assert.match(said, who)
    }
    await refused(/cannot purge work: a1:work, a2:work is there; run watchbill leave work on its machine/)
    assert.match(await done(second(), 'leave', 'work'), /^a2:work left: [12] partitions given back/)
    await refused(/cannot purge work: a1:work is there/)
    await settled(work, [first()])
    await neverTwice(work)
  })

  it('is purged once all have left: no key of it is there, and those of others are', async () => {
    assert.match(await done(first(), 'leave', 'work'), /^a1:work left: 3 partitions given back/)
    assert.notEqual(await kv('get', '-recurse', 'watchbill/work/'), '')
    assert.match((await watchbill(first(), 'purge', 'work')).said, /there is no terminal; say --yes/)
    assert.match(await done(first(), 'purge', 'work', '--yes'), /^purged work: \d+ keys$/)
    assert.equal(await kv('get', '-recurse', 'watchbill/work/'), '')
    assert.equal(await kv('get', '-recurse', 'watchbill/other/'), 'watchbill/other/spec/revision:{}')
    assert.equal(everywhere(work, agents()).size, 0)
  })
})
