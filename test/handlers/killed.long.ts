/**
 * A handler is killed with SIGKILL at every moment of its work in turn. The next one finishes the work, whatever the
 * wall clock says by then, and nothing ever runs twice.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Consul } from '../../lib/consul/http.ts'
import { apply } from '../../lib/operate/partitions/apply.ts'
import { overlaps, stepsBack } from '../lab/beats.ts'
import { type See, until } from '../lab/until.ts'
import { keyprefixInput } from './support/input.ts'
import { addInstance, handlerLab, type Instance } from './support/instance.ts'
import type { Ended, HowToRun } from './support/programs.ts'

const cluster = handlerLab({ clients: ['a', 'b'] })
const folder = mkdtempSync(join(tmpdir(), 'watchbill-killed-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** Instance -> the partitions that it is to hold and run at the end; those left out are not looked at. */
type Outcome = ReadonlyMap<Instance, readonly string[]>

interface Scenario {
  /** Brings about what there is to do. Called before each kill. */
  prepare(): Promise<void>
  /** Whose handler is killed, and does the work afterwards. */
  victim(): Instance
  /** Whose handlers run as well, right after the kill and at the end. */
  others(): readonly Instance[]
  outcome(): Outcome
  /** What else must be so at the end; @throws when it is not. */
  check?(): Promise<void>
  /** The kinds of moments that are of interest; all when left out. */
  readonly kinds?: string
  /** Told after each kill whether all was well. */
  done(well: boolean): Promise<void>
}

const hour = 3_600_000
const mostMoments = 400

/** Kills at one moment after the other, until a handler comes to its end alive. @returns what went wrong, a line each */
async function killAtEveryMoment(scenario: Scenario): Promise<string[]> {
  const failures: string[] = []
  for (let n = 1; n < mostMoments; n++) {
    await scenario.prepare()
    const killed = await killAt(scenario, n)
    const problem = await recover(scenario, n).catch((error: Error) => error.message)
    if (problem) failures.push(`killed at ${n}, ${killed ?? 'not at all'}: ${problem}`)
    await scenario.done(problem === null)
    if (killed === null) return n > 3 ? failures : [...failures, `there were only ${n} moments to kill it at`]
  }
  return [...failures, `it was still killed at moment ${mostMoments}`]
}

/** @returns the name of the moment; null when the handler came to its end */
async function killAt(scenario: Scenario, n: number): Promise<string | null> {
  const victim = scenario.victim()
  const KILLED = join(folder, victim.service)
  const env = { KILL_AT: String(n), KILL_KINDS: scenario.kinds ?? '', KILLED }
  const ended = await handle(victim, { preload: ['killed-at'], env })
  if (ended.signal === 'SIGKILL') return readFileSync(KILLED, 'utf8')
  assertDone(ended)
  return null
}

/** Again when a busy machine's agent took longer than a request may. */
async function handle(instance: Instance, how: HowToRun = {}): Promise<Ended> {
  for (let attempt = 1; ; attempt++) {
    const ended = await instance.run('on-keyprefix', { stdin: keyprefixInput(instance), ...how })
    if (attempt === 3 || !/no answer within/.test(ended.stderr)) return ended
  }
}

/** What comes after the kill. @returns what is wrong; null when nothing is */
async function recover(scenario: Scenario, n: number): Promise<string | null> {
  const instances = [scenario.victim(), ...scenario.others()]
  assertNothingTwice(instances)
  if (n % 2 === 0) for (const other of scenario.others()) assertDone(await handle(other))
  assertNothingTwice(instances)
  const CLOCK_SHIFT = String([0, hour, -hour][n % 3])
  const ended = await handle(scenario.victim(), { preload: ['clock-shifted'], env: { CLOCK_SHIFT } })
  assertDone(ended)
  for (const other of scenario.others()) assertDone(await handle(other))
  for (const [instance, partitions] of scenario.outcome()) await settled(instances, instance, partitions)
  await scenario.check?.()
  const beats = await scenario.victim().beats()
  assert.deepEqual(overlaps(beats), [])
  assert.deepEqual(stepsBack(beats), [])
  return null
}

/** It did its work itself: nobody alive was there to do it. */
function assertDone({ code, signal, stdout, stderr }: Ended): void {
  assert.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' })
  assert.doesNotMatch(stdout, /another handler is already running/)
}

function assertNothingTwice(instances: readonly Instance[]): void {
  const all = instances.flatMap(instance =>
    [...instance.running()].map(([id, pids]) => ({ id, at: instance.name, pids })),
  )
  const twice = all.filter(one => one.pids.length > 1 || all.some(other => other !== one && other.id === one.id))
  assert.deepEqual(twice, [], 'runs twice')
}

/** Waits until the instance runs and holds what it should: a shepherd takes a moment to start its process. */
async function settled(
  instances: readonly Instance[],
  instance: Instance,
  partitions: readonly string[],
): Promise<void> {
  const wanted = [...partitions].sort()
  const look = async (see: See) => {
    assertNothingTwice(instances)
    const seen = see({ runs: [...instance.running().keys()].sort(), holds: await instance.holds() })
    return String(seen.runs) === String(wanted) && String(seen.holds) === String(wanted)
  }
  await until(`${instance.name} to run and hold ${wanted.join(', ') || 'nothing'}`, look, { every: 100 })
}

const both = ['0', '1']

/** Each kill has a service of its own: only once is an instance new. */
class FirstClaim implements Scenario {
  #round = 0
  protected instance: Instance | null = null
  readonly name: string

  constructor(name: string) {
    this.name = name
  }

  async prepare() {
    this.#round += 1
    this.instance = await this.add(`${this.name}-${this.#round}`)
  }

  protected add(service: string): Promise<Instance> {
    return addInstance(cluster().agent('a'), { service, partitions: both })
  }

  victim() {
    return this.instance as Instance
  }

  others(): Instance[] {
    return []
  }

  outcome(): Outcome {
    return new Map([[this.victim(), both]])
  }

  async done() {
    await this.victim().stop()
    const session = await this.victim().session()
    if (session) await this.victim().agent.api('PUT', `/v1/session/destroy/${session}`)
  }
}

/** More partitions than one transaction takes; only one of them is to run. */
class LargeSet extends FirstClaim {
  readonly kinds = 'answer'
  readonly #ids = Array.from({ length: 70 }, (_, i) => `p${i}`)

  protected override add(service: string): Promise<Instance> {
    return addInstance(cluster().agent('a'), { service, partitions: this.#ids, more: { maxPartitions: 1 } })
  }

  /** Which one it is, is the roster's to say. */
  override outcome(): Outcome {
    return new Map()
  }

  async check() {
    const { agent, service } = this.victim()
    const keys = await agent.api<string[]>('GET', `/v1/kv/watchbill/${service}/partition/?keys`)
    assert.equal(keys.length, this.#ids.length, 'partitions are missing from the set')
    const [held = 'none', ...more] = await this.victim().holds()
    assert.deepEqual(more, [])
    await settled([this.victim()], this.victim(), [held])
  }
}

/** What the other scenarios share: one world goes through many kills, until one goes wrong. */
abstract class Lasting implements Scenario {
  readonly name: string
  #worlds = 0
  protected instances: Instance[] = []
  /** Counts the kills. */
  protected turn = 0

  constructor(name: string) {
    this.name = name
  }

  async prepare() {
    if (this.instances.length === 0) {
      this.#worlds += 1
      this.instances = await this.make(`${this.name}-${this.#worlds}`)
      for (const instance of this.instances) assertDone(await handle(instance))
    }
    for (const instance of this.instances) await instance.keepSession()
    this.turn += 1
    await this.upset()
  }

  protected abstract make(service: string): Promise<Instance[]>
  protected abstract upset(): Promise<void>
  abstract outcome(): Outcome

  victim() {
    return this.instances[0] as Instance
  }

  others(): Instance[] {
    return this.instances.filter(instance => instance !== this.victim())
  }

  async done(well: boolean) {
    if (well) return
    for (const instance of this.instances) await instance.stop()
    this.instances = []
  }
}

class HandOver extends Lasting {
  protected make(service: string) {
    return Promise.all(['a', 'b'].map(name => addInstance(cluster().agent(name), { service, partitions: both })))
  }

  protected async upset() {
    await settled(this.instances, this.victim(), both)
    await this.victim().put('spec/settings', JSON.stringify({ drained: [this.victim().name] }))
  }

  override victim() {
    return this.instances[(this.turn + 1) % 2] as Instance
  }

  outcome(): Outcome {
    return new Map(this.instances.map(one => [one, one === this.victim() ? [] : both]))
  }
}

class Reclaim extends Lasting {
  #before: string | null = null

  protected async make(service: string) {
    return [await addInstance(cluster().agent('a'), { service, partitions: both })]
  }

  protected async upset() {
    await settled(this.instances, this.victim(), both)
    this.#before = String([...this.victim().running()])
    await this.victim().agent.api('PUT', `/v1/session/destroy/${await this.victim().session()}`)
  }

  outcome(): Outcome {
    return new Map([[this.victim(), both]])
  }

  async check() {
    assert.equal(String([...this.victim().running()]), this.#before, 'its lease ran: the processes should have gone on')
  }
}

class Restart extends Lasting {
  #before = new Map<string, number[]>()
  #tokens = ''

  protected async make(service: string) {
    return [await addInstance(cluster().agent('a'), { service, partitions: both })]
  }

  protected async upset() {
    await settled(this.instances, this.victim(), both)
    this.#before = this.victim().running()
    this.#tokens = this.#tokensNow()
    for (const id of both) await this.victim().put(`restart/${id}`, '{}')
  }

  outcome(): Outcome {
    return new Map([[this.victim(), both]])
  }

  async check() {
    const now = this.victim().running()
    for (const id of both) assert.notDeepEqual(now.get(id), this.#before.get(id), `${id} was not restarted`)
    assert.equal(this.#tokensNow(), this.#tokens, 'another acquisition')
    await until('both to beat, as the next processes after those before', async see => {
      const order = (await this.victim().beats()).map(({ partition, pid }) => `${partition} ${pid}`)
      const since = (id: string) => [...new Set(order.slice(order.lastIndexOf(`${id} ${this.#before.get(id)?.[0]}`)))]
      const pids = both.map(id => see(since(id)).filter(one => one.startsWith(`${id} `)))
      return pids.every(seen => seen.length === 2)
    })
    const left = await this.victim().agent.api<string[]>('GET', `/v1/kv/watchbill/${this.victim().service}/?keys`)
    assert.deepEqual(
      left.filter(key => key.includes('/restart/')),
      [],
      'requests are left',
    )
  }

  #tokensNow(): string {
    return both.map(id => readFileSync(this.victim().files.partition(id).token, 'utf8')).join()
  }
}

class OtherPartitions extends Lasting {
  readonly #sets = [both, ['5', '6']] as const

  protected async make(service: string) {
    return [await addInstance(cluster().agent('a'), { service, partitions: this.#set })]
  }

  get #set(): readonly string[] {
    return this.#sets[this.turn % 2] as readonly string[]
  }

  /** They replace others: so the change is proposed, and somebody applies it, who does not wait. */
  protected async upset() {
    const victim = this.victim()
    victim.define(this.#set)
    assertDone(await handle(victim))
    const consul = new Consul({ env: { CONSUL_HTTP_ADDR: victim.agent.http } })
    await assert.rejects(apply(consul, victim.service, [], { limit: 0, dryRun: false }), /has not carried it out yet/)
    consul.close()
  }

  outcome(): Outcome {
    return new Map([[this.victim(), this.#set]])
  }

  async check() {
    const removed = this.#sets[(this.turn + 1) % 2] as readonly string[]
    const locks = await this.victim().locks()
    assert.deepEqual(
      removed.filter(id => locks.has(id)),
      [],
      'locks of removed partitions are still there',
    )
    const { files } = this.victim()
    assert.deepEqual(
      removed.filter(id => existsSync(files.partition(id).directory)),
      [],
      'their directories are still there',
    )
  }
}

describe('a handler that is killed at any moment leaves nothing that the next one cannot finish', {
  concurrency: 2,
}, () => {
  const scenarios = {
    'while it takes part and claims for the first time': new FirstClaim('claim'),
    'while it hands its partitions over': new HandOver('hand-over'),
    'while it takes its own locks back after its session was lost': new Reclaim('reclaim'),
    'while it restarts two processes': new Restart('restart'),
    'while its definition brings other partitions': new OtherPartitions('other'),
    'while it writes a partition set that takes several transactions': new LargeSet('large'),
  }
  for (const [name, scenario] of Object.entries(scenarios)) {
    it(name, async () => assert.deepEqual(await killAtEveryMoment(scenario), []))
  }
})
