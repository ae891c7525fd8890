import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { askRestart } from '../../lib/act/restart.ts'
import { instanceFiles } from '../../lib/state/paths.ts'
import type { Agent } from '../lab/cluster.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { instanceOf, program } from '../lab/install.ts'
import { type See, until } from '../lab/until.ts'
import {
  changed,
  enter,
  everywhere,
  faultless,
  neverTwice,
  range,
  type Stage,
  settled,
  stage,
  statusOf,
} from './stage.ts'

describe('by hand', () => {
  const shared = sharedCluster({ clients: ['a1', 'stranger'] })
  let agents: Agent[]
  let work: Stage

  /** By the agent that has no instance. */
  function watchbill(name: string, ...args: string[]): Promise<string> {
    return program(name, [...args, '--http-addr', shared().agent('stranger').http])
  }

  const one = async (service: string, id: string) =>
    (await statusOf(shared().agent('stranger'), service)).partitions.find(({ partition }) => partition === id)

  const is = (id: string, state: string, service = 'work') =>
    until(`${id} to be ${state}`, async (see: See) => see(await one(service, id))?.state === state)

  const files = (agent: Agent, id: string, service = 'work') =>
    instanceFiles(agent.state, instanceOf(agent, { name: service })).partition(id)

  /** The agent that runs a partition, and its pid. */
  function runs(id: string, of = work): { agent: Agent; pid: number } {
    const [name = '', pid] = everywhere(of, agents).get(id)?.split(' ') ?? []
    return { agent: shared().agent(name), pid: Number(pid) }
  }

  before(async () => {
    agents = [shared().agent('s1'), shared().agent('a1')]
    work = stage(shared(), 'work', 'beating', { partitions: { range: [0, 5] }, stop: { grace: '1s' } })
    await enter(work, agents)
    await settled(work, agents)
  })

  describe('a partition that is held', () => {
    it('is stopped and given back, claimed by nobody, and says so from any agent; the rest stays', async () => {
      const was = everywhere(work, agents)
      assert.equal(await watchbill('hold', 'work', '1', '2'), 'held: 1, 2')
      for (const id of ['1', '2']) await is(id, 'held')
      const status = await until('nobody to have 1', async see => {
        const status = see(await statusOf(shared().agent('stranger'), 'work'))
        return status.partitions[1]?.instance === null && status.partitions[2]?.instance === null && status
      })
      assert.match(status.partitions[1]?.why ?? '', /^stopped by hand; watchbill unhold work 1 brings it back$/)
      assert.equal(status.ok, true, 'all is as it should be')
      assert.deepEqual(changed(was, everywhere(work, agents)), ['1', '2'])
      const [lock] = await shared().agent('s1').api<{ Value: string }[]>('GET', '/v1/kv/watchbill/work/lock/1')
      assert.equal(JSON.parse(Buffer.from(lock?.Value ?? '', 'base64').toString()).clean, true)
      assert.equal(await watchbill('hold', 'work', '1'), 'held: none: all were so before')
    })

    it('stays so, however often anybody looks', async () => {
      for (const { name, etc, state, http } of agents) {
        const who = ['--instance', `${name}:work`, '--service', 'work', '--definition', join(etc, 'work.json')]
        const said = await program('reconcile', [...who, '--state', state, '--http-addr', http])
        assert.equal(said, `${name}:work: nothing to do`)
      }
      assert.deepEqual([(await one('work', '1'))?.state, (await one('work', '1'))?.instance], ['held', null])
    })

    it('comes back at once when it is let go; the rest stays', async () => {
      const was = everywhere(work, agents)
      assert.equal(await watchbill('unhold', 'work', '1', '2'), 'let go: 1, 2')
      const began = performance.now()
      await settled(work, agents)
      const took = performance.now() - began
      assert.ok(took < 5000, `it took ${took} ms`)
      assert.deepEqual(changed(was, everywhere(work, agents)), ['1', '2'])
      await faultless(work, range(6))
    })

    it('must be one', async () => {
      for (const name of ['hold', 'unhold', 'restart']) {
        const refused = watchbill(name, 'work', '1', 'none', 'nor this')
        await assert.rejects(refused, {
          exitCode: 100,
          stderr: `${name}: permanent: cannot ${name} none, nor this: work has no such partition; see watchbill partitions work`,
        })
      }
      assert.equal((await one('work', '1'))?.state, 'running')
    })

    it('is only said with --dry-run', async () => {
      assert.equal(await watchbill('hold', 'work', '1', '--dry-run'), 'would be held: 1')
      assert.equal((await one('work', '1'))?.state, 'running')
    })
  })

  describe('a restart', () => {
    it('is made from any agent, under the same token; the rest stays', async () => {
      const was = everywhere(work, agents)
      const { agent } = runs('3')
      const token = readFileSync(files(agent, '3').token, 'utf8')
      assert.equal(await watchbill('restart', 'work', '3'), `${agent.name}:work: restarted 3`)
      await settled(work, agents)
      assert.equal(runs('3').agent, agent)
      assert.equal(readFileSync(files(agent, '3').token, 'utf8'), token)
      assert.deepEqual(changed(was, everywhere(work, agents)), ['3'])
      await assert.rejects(agent.api('GET', '/v1/kv/watchbill/work/restart/?keys'), { status: 404 })
      await faultless(work, range(6))
    })

    it('of a process that hangs takes SIGKILL after its grace period', async () => {
      const { agent, pid } = runs('4')
      process.kill(pid, 'SIGSTOP')
      await watchbill('restart', 'work', '4')
      await settled(work, agents)
      assert.equal(runs('4').agent, agent)
      assert.notEqual(runs('4').pid, pid)
      await neverTwice(work)
    })

    it('that is asked for on the machine itself is made as well', async () => {
      const was = everywhere(work, agents)
      const { agent } = runs('0')
      askRestart(files(agent, '0'), 'its check fails')
      await until('another process', () => everywhere(work, agents).get('0') !== was.get('0'), { deadline: 20_000 })
      await settled(work, agents)
      assert.deepEqual(changed(was, everywhere(work, agents)), ['0'])
      assert.equal(existsSync(files(agent, '0').restart), false)
    })

    it('is asked for with --dry-run by nobody', async () => {
      const was = everywhere(work, agents)
      assert.equal(
        await watchbill('restart', 'work', '3', '--dry-run'),
        `${runs('3').agent.name}:work: would restart 3`,
      )
      await settled(work, agents)
      assert.deepEqual(changed(was, everywhere(work, agents)), [])
    })

    it('runs what had finished once more', async () => {
      const file = join(shared().root, 'once')
      const run = { command: ['/bin/sh', '-c', `echo ran >>${file}`], restart: 'never' }
      await enter({ ...work, definition: { name: 'once', partitions: { list: ['x'] }, run } }, [shared().agent('a1')])
      await is('x', 'finished', 'once')
      await watchbill('restart', 'once', 'x')
      await until('two runs', see => see(readFileSync(file, 'utf8')) === 'ran\nran\n')
      await is('x', 'finished', 'once')
    })

    it('cannot be made of what nobody runs', async () => {
      await watchbill('hold', 'work', '5')
      await until('nobody to have 5', async () => (await one('work', '5'))?.instance === null)
      await assert.rejects(watchbill('restart', 'work', '5'), {
        exitCode: 100,
        stderr: /^restart: permanent: cannot restart 5: nobody runs it; see watchbill status work$/,
      })
      await watchbill('unhold', 'work', '5')
      await settled(work, agents)
    })
  })

  describe('the log', () => {
    const script = 'echo "begins $$"; while :; do echo "$WATCHBILL_PARTITION lives"; sleep 0.2; done'
    let chatty: Stage

    before(async () => {
      const run = { command: ['/bin/sh', '-c', script] }
      chatty = { ...work, definition: { name: 'chatty', partitions: { list: ['talk'] }, run } }
      await enter(chatty, [shared().agent('a1')])
      await settled(chatty, [shared().agent('a1')])
    })

    it('is shown where the partition runs', async () => {
      const { agent, pid } = runs('talk', chatty)
      const text = await program('logs', ['chatty', 'talk', '--state', agent.state])
      assert.match(text, new RegExp(`^begins ${pid}\ntalk lives\n`))
      assert.equal(await program('logs', ['chatty', 'talk', '--state', agent.state, '--lines', '1']), 'talk lives')
    })

    it('elsewhere is one line that says where', async () => {
      const stranger = shared().agent('stranger')
      await assert.rejects(watchbill('logs', 'chatty', 'talk', '--state', stranger.state), {
        exitCode: 100,
        stdout: '',
        stderr:
          'logs: permanent: cannot show the log of talk: it has left no output on this machine; it runs on a1:chatty; run it there',
      })
      await assert.rejects(watchbill('logs', 'chatty', 'none', '--state', stranger.state), { exitCode: 100 })
    })

    it('is followed across a restart, and ends when its reader goes', async t => {
      const { agent } = runs('talk', chatty)
      const handler = join(import.meta.dirname, '../../handlers/logs.ts')
      const args = [handler, 'chatty', 'talk', '--follow', '--lines', '0', '--state', agent.state]
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
      t.after(() => child.kill('SIGKILL'))
      let text = ''
      child.stdout.on('data', chunk => {
        text += chunk
      })
      await until('it to follow', () => text.includes('talk lives'))
      await watchbill('restart', 'chatty', 'talk')
      await until('the next process', see => /begins \d+\ntalk lives\n/.test(see(text)))
      child.stdout.destroy()
      await until('it to end', () => child.exitCode === 0)
    })
  })
})
