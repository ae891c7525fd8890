/**
 * The scheduler of examples/scheduler-python on three real agents: what it packs is what runs, and whatever becomes of it, no
 * partition has two owners, no plan is half in force, and nothing waits for it. Beside it runs the same service without a
 * scheduler, to compare with.
 */
import assert from 'node:assert/strict'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { bootClock } from '../../lib/base/clock.ts'
import { keysOf } from '../../lib/base/names.ts'
import { Consul } from '../../lib/consul/http.ts'
import { entriesAt } from '../../lib/consul/kv.ts'
import { type FoundPlan, findPlan } from '../../lib/keys/own-plan.ts'
import { readSchedulerDuty } from '../../lib/keys/scheduler.ts'
import { readMemory } from '../../lib/keys/scheduler-memory.ts'
import { relativeOf } from '../../lib/machine/identity.ts'
import { readFact } from '../../lib/state/facts.ts'
import { instanceFiles } from '../../lib/state/paths.ts'
import { neverTwice, processes, type Stage, stage, statusOf } from '../cluster/stage.ts'
import { runs } from '../lab/beats.ts'
import { type Agent, tunedGossip } from '../lab/cluster.ts'
import { sharedCluster } from '../lab/in-tests.ts'
import { install, instanceOf } from '../lab/install.ts'
import { until } from '../lab/until.ts'

const name = 'tenants'
const keys = keysOf(name)
const python = join(import.meta.dirname, '../../examples/scheduler-python/assign.py')

/** The example, but for what a test makes of it: `mode` says what. Each run notes itself and its parent. */
const wrapper = (at: string) => `#!/bin/sh
mode=$(cat ${at}/mode)
echo "$$ $PPID $mode" >>${at}/runs
case $mode in
  asleep) exec sleep 60 ;;
  slow) sleep 1 ;;
  third) [ $(($(wc -l <${at}/runs) % 3)) -ne 0 ] || { echo 'Traceback'; exit 0; } ;;
esac
exec ${python}
`

describe('a scheduler in Python on three real agents', () => {
  const shared = sharedCluster({ clients: 3, settings: tunedGossip })
  let agents: Agent[]
  let work: Stage
  let plain: Stage
  let consul: Consul

  const tenants = (sizes: readonly number[]) =>
    sizes.map((size, at) => ({ id: `t${at}`, customer: `c${Math.floor(at / 2)}`, size }))
  const set = (sizes: readonly number[]) =>
    writeFileSync(join(shared().root, 'tenants.json'), JSON.stringify(tenants(sizes)))
  const mode = (what: string) => writeFileSync(join(shared().root, 'mode'), what)
  const ranSoFar = () => {
    const file = join(shared().root, 'runs')
    return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
  }
  const found = async (): Promise<FoundPlan> => {
    const [entry] = await entriesAt(consul, [keys.plan])
    return findPlan(consul, keys, entry)
  }
  const assignment = async () => Object.fromEntries((await found()).plan?.assignment ?? [])
  const owners = async (of = name) => {
    const { partitions } = await statusOf(shared().agent('s1'), of)
    const all = partitions.filter(({ state }) => state === 'running')
    return Object.fromEntries(all.map(({ partition, instance }) => [partition, instance]))
  }
  const same = (one: object, other: object) =>
    JSON.stringify(Object.entries(one).sort()) === JSON.stringify(Object.entries(other).sort())

  /** What the plan says is what runs. @param is what else has to be true of the plan */
  const followed = (what: string, is: (plan: Record<string, string>) => boolean = () => true, count = 8) =>
    until(
      what,
      async see => {
        const [plan, now] = [await assignment(), await owners()]
        see({ plan, now })
        return Object.keys(plan).length === count && is(plan) && same(plan, now) && plan
      },
      { deadline: 60_000, every: 200 },
    )
  const pidsNow = () =>
    agents.flatMap(agent => [...processes(agent, work.definition).values()].map(({ pid }) => pid)).sort()

  /** The same plan, followed by the same processes, for some time. */
  const quiet = async () => {
    let since = bootClock()
    let last = ''
    await until(
      'nothing to change for 4 s',
      async see => {
        const now = JSON.stringify([await assignment(), await owners(), pidsNow()])
        if (now !== last) since = bootClock()
        last = see(now)
        return pidsNow().length === 8 && bootClock() - since > 4000
      },
      { deadline: 60_000, every: 200 },
    )
    return followed('all to be well')
  }

  /** Customers stay together, and no machine has much more than its share. */
  const isPacked = (sizes: readonly number[], machines: number) => (plan: Record<string, string>) => {
    const loads = new Map<string, number>()
    for (const { id, size } of tenants(sizes))
      loads.set(plan[id] as string, (loads.get(plan[id] as string) ?? 0) + size)
    const together = tenants(sizes).every(({ id, customer }) =>
      tenants(sizes).every(one => one.customer !== customer || plan[one.id] === plan[id]),
    )
    return together && loads.size === machines
  }

  before(async () => {
    const { root } = shared()
    agents = ['a1', 'a2', 'a3'].map(one => shared().agent(one))
    consul = new Consul({ env: { CONSUL_HTTP_ADDR: shared().agent('s1').http } })
    const script = join(root, 'assign')
    writeFileSync(script, wrapper(root))
    chmodSync(script, 0o755)
    mode('good')
    set([40, 2, 20, 1, 21, 1, 4, 4])
    const partitions = { file: join(root, 'tenants.json'), every: '1s' }
    const more = { partitions, stop: { grace: '1s' }, lease: '7s' }
    const assign = { command: [script], every: '2s', timeout: '2s' }
    work = stage(shared(), name, 'beating', { ...more, assign })
    plain = stage(shared(), 'plain', 'beating', more)
    for (const agent of agents) for (const one of [work, plain]) await install(agent, one.definition)
  })
  after(() => consul?.close())

  it('packs, and its packing is what runs', async () => {
    await followed('the packing to run', isPacked([40, 2, 20, 1, 21, 1, 4, 4], 3))
    const { ok, scheduler } = await statusOf(agents[1] as Agent, name)
    assert.deepEqual([ok, scheduler?.problem], [true, null])
  })

  it('is followed within seconds when documents change', async t => {
    const sizes = [1, 1, 30, 1, 21, 1, 40, 4]
    set(sizes)
    const since = bootClock()
    const before = await assignment()
    await followed('the other packing to run', plan => isPacked(sizes, 3)(plan) && !same(plan, before))
    t.diagnostic(`a new document, then another plan in force and running: ${bootClock() - since} ms`)
  })

  it('killed with -9 in the middle leaves the plan as it was, and the next run cleans up after it', async () => {
    const { pointer } = await found()
    mode('slow')
    const before = ranSoFar().length
    const [pid, parent] = await until('a slow run', () => ranSoFar()[before]?.split(' '), {
      deadline: 30_000,
      every: 20,
    })
    const scheduler = relativeOf(Number(parent))?.parent as number
    process.kill(scheduler, 'SIGKILL')
    assert.equal((await found()).pointer?.index, pointer?.index, 'nothing was written')
    mode('good')
    await until('another run', () => ranSoFar().length > before + 1, { deadline: 30_000 })
    await until('the killed one to be gone', () => relativeOf(Number(pid)) === null, { deadline: 10_000 })
    await followed('the plan to be followed')
  })

  it('that answers garbage every third time never has half a plan in force', async t => {
    mode('third')
    let looks = 0
    let problems = 0
    const end = bootClock() + 20_000
    for (let at = 0; bootClock() < end; at++) {
      // Another packing every few seconds, so that plans are written meanwhile.
      if (at % 25 === 0) set(at % 50 === 0 ? [40, 2, 20, 1, 21, 1, 4, 4] : [1, 1, 30, 1, 21, 1, 40, 4])
      const { plan, problem } = await found()
      assert.equal(problem, null)
      assert.ok([0, 8].includes(plan?.assignment.size ?? 8), `half a plan: ${plan?.assignment.size}`)
      looks++
      if ((await readSchedulerDuty(consul, keys))?.problem != null) problems++
      await new Promise(resolve => setTimeout(resolve, 100))
    }
    const { last } = await readMemory(consul, name)
    t.diagnostic(
      `${looks} looks at the plan, ${problems} while it was refused; plan ${(await found()).pointer?.revision}`,
    )
    assert.ok(last !== null && last.refused.length > 0 && problems > 0)
    assert.match(last.refused[0]?.why ?? '', /^it is not JSON: line 1, column 1/)
    mode('good')
    await quiet()
  })

  it('that sleeps for 60 s is killed with all it started; status says so on every agent, and all goes on', async () => {
    const before = pidsNow()
    mode('asleep')
    for (const agent of agents)
      await until(
        `status on ${agent.name} to say why`,
        async see => {
          const { problems, scheduler } = see(await statusOf(agent, name))
          return /no end within 2 s/.test(problems.join()) && scheduler?.plan !== null
        },
        { deadline: 30_000, every: 200 },
      )
    assert.deepEqual(pidsNow(), before, 'nothing was stopped')
    const mine = ranSoFar().map(line => Number(line.split(' ')[0]))
    mode('good')
    await until('no run to be left', () => mine.every(pid => relativeOf(pid) === null), { deadline: 20_000 })
    await quiet()
  })

  it('whose machine is killed keeps no partition idle for longer than without a scheduler', async t => {
    const by = (await readSchedulerDuty(consul, keys))?.by ?? ''
    const dead = agents.find(agent => instanceOf(agent, work.definition) === by) as Agent
    const rest = agents.filter(agent => agent !== dead)
    const since = bootClock()
    const pids = [work, plain].flatMap(one => {
      const files = instanceFiles(dead.state, instanceOf(dead, one.definition))
      const shepherds = [...processes(dead, one.definition).keys()].map(id => readFact(files.partition(id).shepherd))
      return [
        ...shepherds.flatMap(fact => (fact === null ? [] : [Number(fact.split(' ')[0])])),
        ...[...processes(dead, one.definition).values()].map(({ pid }) => pid),
      ]
    })
    await dead.stop('SIGKILL')
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended.
      }
    }
    for (const one of [work, plain])
      await until(
        `all of ${one.definition.name} to run on the others`,
        async () => {
          const now = Object.values(await owners(one.definition.name))
          return (
            now.length === 8 &&
            now.every(instance => rest.some(agent => instance === instanceOf(agent, one.definition)))
          )
        },
        { deadline: 60_000, every: 100 },
      )
    const idle = async (of: Stage) => {
      const beats = (await of.beats()).filter(({ at }) => at > since - 60_000)
      const gone = runs(beats).filter(({ instance, to }) => instance.startsWith(`${dead.name}:`) && to > since - 1000)
      const next = (partition: string) =>
        Math.min(...runs(beats).flatMap(run => (run.partition === partition && run.from > since ? run.from : [])))
      return Math.max(...gone.map(({ partition, to }) => next(partition) - to))
    }
    // A lock is held a moment before its process beats.
    const known = (of: Stage) =>
      until('all of the dead ones to beat again', async see => {
        const ms = see(await idle(of))
        return ms < Number.POSITIVE_INFINITY && ms
      })
    const [withOne, without] = [await known(work), await known(plain)]
    t.diagnostic(`idle with a scheduler ${withOne} ms, without one ${without} ms`)
    assert.ok(withOne < without + 2000, `${withOne} ms, and ${without} ms without`)
    const plan = await followed('another to run the scheduler', plan => !Object.values(plan).includes(by))
    assert.notEqual((await readSchedulerDuty(consul, keys))?.by, by)
    t.diagnostic(`the plan in force: ${JSON.stringify(plan)}`)
    await dead.start()
    await followed('all three to have some', plan => new Set(Object.values(plan)).size === 3)
  })

  it('that is removed from the definitions leaves everything to the roster', async () => {
    const { assign: _, ...definition } = work.definition
    for (const agent of agents) await install(agent, definition as Stage['definition'])
    await until('the plan to be withdrawn', async see => see((await found()).pointer?.withdrawn), { deadline: 60_000 })
    await until(
      'all to run, balanced',
      async see => {
        const now = see(Object.values(await owners()))
        const loads = agents.map(agent => now.filter(one => one === instanceOf(agent, work.definition)).length)
        return now.length === 8 && Math.max(...loads) - Math.min(...loads) <= 1
      },
      { deadline: 60_000, every: 200 },
    )
    assert.deepEqual((await statusOf(agents[0] as Agent, name)).problems, [])
  })

  it('never had two owners of a partition', async () => {
    await neverTwice(work)
    await neverTwice(plain)
  })
})
