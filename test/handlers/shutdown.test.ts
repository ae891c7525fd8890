/** What a machine that stops gives to the others, and how long that may take. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { Agent } from '../lab/agent.ts'
import { until } from '../lab/until.ts'
import { addInstance, handlerLab, type Instance, type InstanceOptions } from './support/instance.ts'
import { type Ended, runProgram } from './support/programs.ts'

const lab = handlerLab({ clients: 0 })
const deaf = { run: { command: ['/bin/sh', '-c', "trap '' TERM; while :; do sleep 0.1; done"] } }

/** Takes part and runs two partitions. */
async function atWork(options: Pick<InstanceOptions, 'service' | 'grace' | 'more'>): Promise<Instance> {
  const instance = await addInstance(lab().agents[0] as Agent, { ...options, partitions: ['0', '1'] })
  await instance.run('guard')
  const { code, stderr } = await instance.run('reconcile')
  assert.equal(code, 0, stderr)
  await until('both to run', () => instance.running().size === 2)
  return instance
}

function leave({ agent, http }: Instance, ...args: string[]): Promise<Ended> {
  const common = ['--state', agent.state, '--http-addr', http, '--for-shutdown']
  return runProgram('leave', { env: agent.env, args: [...args, ...common] })
}

async function isRegistered({ agent, id }: Instance): Promise<boolean> {
  return id in (await agent.api<Record<string, unknown>>('GET', '/v1/agent/services'))
}

/** Which locks are free, and by the word of their holder clean. */
async function cleanLocks(instance: Instance): Promise<string[]> {
  const locks = [...(await instance.locks())]
  return locks.flatMap(([id, { session, value }]) => (session === null && JSON.parse(value).clean ? [id] : [])).sort()
}

describe('leave --for-shutdown', () => {
  it('gives back cleanly what stops, and takes the instance out of Consul', async () => {
    const instance = await atWork({ service: 'willing' })
    const { code, stdout, stderr } = await leave(instance, 'willing')
    assert.equal(code, 0, stderr)
    assert.equal(stdout.trim(), `${instance.name} left for the shutdown: 2 partitions given back, 0 of them killed`)
    assert.deepEqual(await cleanLocks(instance), ['0', '1'])
    assert.equal(await isRegistered(instance), false)
    assert.equal(instance.running().size, 0)
  })

  it('with --all has every instance leave, each as configure has set it up', async () => {
    const [one, two] = [await atWork({ service: 'one' }), await atWork({ service: 'two' })]
    const consul = join(one.agent.folder, 'only-names')
    mkdirSync(consul)
    const token = join(consul, 'token')
    const check = { args: ['guard', '--instance', one.name, '--state', one.agent.state, '--token-file', token] }
    writeFileSync(join(consul, 'watchbill-one.json'), JSON.stringify({ services: [{ checks: [check] }] }))
    writeFileSync(join(consul, 'watchbill-foreign.json'), 'not JSON')
    const first = await leave(one, '--all', '--consul-dir', consul)
    assert.equal(first.code, 111, 'its token file is not there')
    assert.match(
      first.stderr,
      new RegExp(`${token}.*\\n(.*\\n)*leave: temporary: cannot leave as ${one.name}: see above`),
    )
    assert.deepEqual(await cleanLocks(two), ['0', '1'])
    assert.equal(existsSync(two.files.left), true)
  })

  it('kills what does not stop in time, and gives it back once it is gone', async () => {
    const instance = await atWork({ service: 'deaf', grace: '40s', more: deaf })
    const { code, stdout, stderr, ms } = await leave(instance, 'deaf', '--limit', '3s', '--json')
    assert.equal(code, 0, stderr)
    const { released, killed, lost, problem } = JSON.parse(stdout)
    assert.deepEqual([released, killed.sort(), lost, problem], [2, ['0', '1'], [], null])
    assert.ok(ms < 6000, `${ms} ms`)
    assert.deepEqual(await cleanLocks(instance), ['0', '1'])
  })

  it('frees the lock of what is not gone even then as an unclean one, with the session', async () => {
    // Work outside of any process, of which nobody says that it is gone.
    const work = join((lab().agents[0] as Agent).folder, 'work')
    const more = { stop: { gone: ['/usr/bin/test', '!', '-e', work], grace: '1s' } }
    const instance = await atWork({ service: 'stuck', more })
    writeFileSync(work, '')
    const session = await instance.session()
    const { code, stdout } = await leave(instance, 'stuck', '--limit', '2s', '--json')
    assert.equal(code, 111)
    assert.deepEqual(JSON.parse(stdout).lost.sort(), ['0', '1'])
    assert.deepEqual(await cleanLocks(instance), [])
    assert.deepEqual([typeof session, await instance.session(), await instance.holds()], ['string', null, []])
    assert.equal(await isRegistered(instance), false)
    // A handler that comes late must not take part again.
    assert.match((await instance.run('reconcile')).stdout, /it has left/)
  })

  it('stops the processes and ends within the limit while Consul is away', async () => {
    const instance = await atWork({ service: 'alone' })
    const { code, stderr, ms } = await leave(
      { ...instance, http: 'http://127.0.0.1:9' } as Instance,
      'alone',
      '--limit',
      '2s',
    )
    assert.equal(code, 111)
    assert.match(stderr, /not given back: 0, 1: cannot reach Consul/)
    assert.ok(ms < 6000, `${ms} ms`)
    assert.equal(instance.running().size, 0)
  })

  it('refuses a service beside --all, neither of them, and a limit that is none', async () => {
    for (const args of [['svc', '--all'], [], ['svc', '--limit', 'soon'], ['svc', '--limit', '1h']]) {
      const { code, stderr } = await runProgram('leave', { args: [...args, '--for-shutdown'] })
      assert.equal(code, 100)
      assert.match(stderr, /^leave: permanent: cannot read the arguments: /)
    }
  })
})
