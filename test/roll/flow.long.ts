/**
 * A roll-out on one instance as its agent would have it done: reconcile, guard, what follows its verdict, and the round of the
 * duty, in this process, on real processes, with the model of Consul.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { describe, it, type TestContext } from 'node:test'
import { keysOf } from '../../lib/base/names.ts'
import { Consul } from '../../lib/consul/http.ts'
import { tellAfterVerdict } from '../../lib/guard/after-verdict.ts'
import { guard } from '../../lib/guard/guard.ts'
import type { HeldValue } from '../../lib/keys/lock.ts'
import type { Settings } from '../../lib/keys/settings.ts'
import { isAlive, parseProcess, signal } from '../../lib/machine/identity.ts'
import { beginRoll } from '../../lib/operate/roll/begin.ts'
import { optionsFrom } from '../../lib/operate/roll/options.ts'
import { currentRoll, orderRoll } from '../../lib/operate/roll/order.ts'
import { reconcile } from '../../lib/reconcile.ts'
import { rollOut } from '../../lib/rollout/round.ts'
import { readFact, readLine } from '../../lib/state/facts.ts'
import { runnerOf } from '../../lib/state/partition-paths.ts'
import { me } from '../fixtures/cluster.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { contextOf, stateOf } from '../fixtures/state.ts'
import { until } from '../lab/until.ts'

const keys = keysOf('svc')
const ids = ['0', '1', '2']
const quick = { settle: '0s', limit: '20s' }

/** Version 9.* ends at once. */
const script = 'case $1 in 9.*) exit 1; esac; exec sleep 1000'

async function instance(t: TestContext, over: { run?: object; versions?: object } = {}) {
  const fake = await fakeConsul(t)
  const { memory, consul } = fake
  memory.nodes.set('a', { serfHealth: 'passing', services: new Map([['svc', { name: 'svc', status: 'passing' }]]) })
  const files = stateOf(t)
  const definitionFile = `${files.directory}/svc.definition`
  const definition = {
    name: 'svc',
    partitions: { list: ids },
    run: { command: ['/bin/sh', '-c', script, 'sh', '{version}'], ...over.run },
    versions: { pattern: '^\\d+\\.\\d+$', first: '1.0', ...over.versions },
    stop: { grace: '1s' },
  }
  writeFileSync(definitionFile, JSON.stringify(definition))
  const run = { ...contextOf(consul, files), definitionFile }
  process.env.CONSUL_HTTP_ADDR = consul.address.origin
  const runners = () => ids.map(id => runnerOf(files.partition(id)))
  t.after(async () => {
    const shepherds = runners().flatMap(({ shepherd }) => parseProcess(readLine(shepherd)) ?? [])
    for (const shepherd of shepherds) signal(shepherd, 'SIGTERM')
    await until('the shepherds to end', () => !shepherds.some(isAlive))
  })
  /** What comes with one tick. */
  const tick = async () => {
    const { seen, starts } = await guard(run, 2000)
    if (seen) await tellAfterVerdict(run, 2000, seen, limit => new Consul({ limit }), 0)
    if (starts.has('rollout')) await rollOut(run, () => {}).catch(() => {})
    await reconcile(run)
    return starts
  }
  const locks = () => ids.map(id => memory.value(keys.lock(id)) as HeldValue)
  const running = () =>
    runners().map(({ process }) => {
      const found = parseProcess(readLine(process))
      if (found === null || !isAlive(found)) return null
      const environment = readFileSync(`/proc/${found.pid}/environ`, 'latin1')
      return { pid: found.pid, version: /WATCHBILL_VERSION=([^\0]*)/.exec(environment)?.[1] }
    })
  const settled = (version: string) =>
    until(
      `all to run in ${version}`,
      async see => {
        await tick()
        const now = see(running())
        return now.every(one => one?.version === version) && locks().every(one => one.version === version) && now
      },
      { deadline: 30_000 },
    )
  const state = async () => (await currentRoll(consul, 'svc'))?.state
  return { fake, memory, consul, run, files, tick, locks, running, settled, state }
}

describe('a roll-out on real processes', { concurrency: 1 }, () => {
  it('brings a version to all, under the same acquisitions and tokens', async t => {
    const { consul, memory, locks, settled, tick, state, files } = await instance(t)
    const before = await settled('1.0')
    const acquisitions = locks().map(({ acquisition }) => acquisition)
    const tokens = ids.map(id => readFact(files.partition(id).token))
    await beginRoll(consul, 'svc', '2.0', optionsFrom(quick), false)
    const after = await settled('2.0')
    assert.ok(after.every((one, at) => one?.pid !== before[at]?.pid))
    assert.deepEqual(
      locks().map(({ acquisition }) => acquisition),
      acquisitions,
    )
    assert.deepEqual(
      ids.map(id => readFact(files.partition(id).token)),
      tokens,
    )
    await until('it to be over', async () => (await tick()) && (await state()) === 'done')
    assert.equal((memory.value(keys.settings) as Settings).version, '2.0')
    await until('nothing to be due any more', async () => !(await tick()).has('rollout'))
  })

  it('stops at a version that crashes, and goes back', async t => {
    const { consul, locks, settled, tick, state } = await instance(t)
    await settled('1.0')
    await beginRoll(consul, 'svc', '9.0', optionsFrom(quick), false)
    await until('it to stop', async see => (await tick()) && see(await state()) === 'stopped', { deadline: 40_000 })
    assert.equal(locks().filter(({ version }) => version === '9.0').length, 1)
    await orderRoll(consul, 'svc', 'revert', false)
    await settled('1.0')
    await until('it to be over', async () => (await tick()) && (await state()) === 'reverted')
  })

  it('starts nothing without a version in force, and says why', async t => {
    const { run, tick, running, memory, settled, consul } = await instance(t, { versions: { first: undefined } })
    await until(
      'it to have all locks',
      async () => (await tick()) && memory.below(keys.locks).every(({ Session }) => Session),
    )
    await tick()
    assert.deepEqual(running(), [null, null, null])
    assert.match(
      (memory.value(keys.report(run.instance)) as Record<string, string>)['0'] ?? '',
      /^no version: no version is in force/,
    )
    await beginRoll(consul, 'svc', '2.0', optionsFrom({ ...quick, 'max-unavailable': '3' }), false)
    await settled('2.0')
  })

  it('ends the one process of an instance, which then has all its partitions in the new version', async t => {
    const worker = 'exec "$0" "$@"'
    const one = new URL('../../examples/one-process/worker.sh', import.meta.url).pathname
    const command = ['/bin/sh', one, '/bin/sh', '-c', 'exec sleep 1000', worker, '{version}']
    const { consul, settled, running } = await instance(t, { run: { per: 'instance', command } })
    const before = await settled('1.0')
    await beginRoll(consul, 'svc', '2.0', optionsFrom(quick), false)
    await settled('2.0')
    const pids = running().map(one => one?.pid)
    assert.equal(new Set(pids).size, 1)
    assert.notEqual(pids[0], before[0]?.pid)
  })

  it('prepares the version before anything is restarted', async t => {
    const { consul, settled, files, state, tick } = await instance(t, {
      versions: { prepare: ['/bin/sh', '-c', 'case $1 in 3.*) exit 7; esac', 'sh', '{version}'] },
    })
    await settled('1.0')
    await beginRoll(consul, 'svc', '2.0', optionsFrom({ ...quick, 'max-unavailable': '3' }), false)
    await settled('2.0')
    assert.deepEqual(JSON.parse(readFact(files.versions) ?? '').prepared, ['1.0', '2.0'])
    await until('it to be over', async () => (await tick()) && (await state()) === 'done')
    await beginRoll(consul, 'svc', '3.0', optionsFrom(quick), false)
    await until('it to stop', async see => (await tick()) && see(await state()) === 'stopped', {
      deadline: 40_000,
      every: 300,
    })
    assert.equal((await currentRoll(consul, 'svc'))?.why, `${me} cannot prepare 3.0: exit 7`)
    await settled('2.0')
  })
})
