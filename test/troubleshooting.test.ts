/**
 * docs/troubleshooting.md says what each of its faults looks like. Here each is planted, by its number there, and what
 * the command prints must hold the line that stands there.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { execa } from 'execa'
import { act } from '../lib/act/act.ts'
import { renew } from '../lib/act/renew.ts'
import { react } from '../lib/attend/react.ts'
import { bootClock } from '../lib/base/clock.ts'
import { instanceName, keysOf } from '../lib/base/names.ts'
import { loadDefinition } from '../lib/definition/load.ts'
import { eventOf } from '../lib/hooks/event.ts'
import { heldValue } from '../lib/keys/lock.ts'
import { memberValue } from '../lib/keys/member.ts'
import { type Process, processOf } from '../lib/machine/identity.ts'
import { look } from '../lib/operate/status/look.ts'
import { checkLine } from '../lib/operate/status/page.ts'
import { readStatus, type Status } from '../lib/operate/status/status.ts'
import { reconcileOnce } from '../lib/program/once.ts'
import { reconcile } from '../lib/reconcile.ts'
import { sync } from '../lib/sources/sync.ts'
import { makeDirectory, writeFact } from '../lib/state/facts.ts'
import { instanceFiles } from '../lib/state/paths.ts'
import type { Run } from '../lib/state/self.ts'
import { definition, heldBy, snapshotOf } from './fixtures/cluster.ts'
import { type FakeConsul, fakeConsul, type Reply } from './fixtures/consul.ts'
import { directory } from './fixtures/state.ts'

const keys = keysOf('work')
const page = join(import.meta.dirname, '../docs/troubleshooting.md')
const handler = join(import.meta.dirname, '../handlers/status.ts')

interface Check {
  CheckID: string
  Status: string
  Output?: string
}

interface Machine {
  readonly node: string
  checks: Check[]
}

/** A service with two instances and the partitions 0 and 1, one on each. */
interface Stage {
  readonly t: TestContext
  readonly fake: FakeConsul
  readonly machines: Machine[]
  /** Answers that go before the stand-in's: a part of the path -> the answer. */
  readonly answers: Map<string, () => Reply>
  /** Awaited before each answer. */
  slow: () => Promise<void>
}

const guard = (Status: string, Output = ''): Check => ({ CheckID: 'work-guard', Status, Output })
const gossip = (Status: string, Output = ''): Check => ({ CheckID: 'serfHealth', Status, Output })
const passing = () => [gossip('passing'), guard('passing', '1 locks held')]

async function staged(
  t: TestContext,
  nodes = ['node1', 'node2'],
  more: Parameters<typeof memberValue>[3] = {},
): Promise<Stage> {
  const fake = await fakeConsul(t)
  const { memory } = fake
  const machines = nodes.map(node => ({ node, checks: passing() }))
  const answers = new Map<string, () => Reply>()
  memory.put(keys.revision, '{}')
  for (const id of ['0', '1']) memory.put(keys.partition(id), '{"from":"definition"}')
  for (const [place, node] of nodes.entries()) {
    const instance = instanceName(node, 'work')
    memory.session(node, node, `watchbill ${instance}`)
    memory.nodes.set(node, {
      serfHealth: 'passing',
      services: new Map([['work', { name: 'work', status: 'passing' }]]),
    })
    memory.lock(keys.member(instance), node, memberValue(node, definition, 'digest', more))
    memory.lock(keys.lock(String(place)), node, heldValue(heldBy(instance)))
  }
  const stage: Stage = { t, fake, machines, answers, slow: async () => {} }
  fake.script = async ({ path }) => {
    await stage.slow()
    for (const [part, answer] of answers) if (path.includes(part)) return answer()
    if (!path.startsWith('/v1/health/service/work?')) return undefined
    return {
      text: machines.map(({ node, checks }) => ({
        Node: { Node: node },
        Service: { ID: 'work', Service: 'work' },
        Checks: checks,
      })),
    }
  }
  return stage
}

/** The one line of `status work --check`. */
async function check({ fake }: Pick<Stage, 'fake'>): Promise<string> {
  return checkLine(await readStatus(fake.consul, 'work'))
}

/** What the program prints, whole. */
async function printed(address: string, service = 'work'): Promise<string> {
  const { all } = await execa(process.execPath, [handler, service, '--check', '--http-addr', address], {
    reject: false,
    all: true,
  })
  return all
}

const addressOf = ({ fake }: Stage) => new URL(fake.consul.address.origin).host

/** An instance with a definition file and a state directory of its own, whose partitions are held by hand: nothing starts. */
async function running(
  stage: Stage,
  node: string,
  more: Record<string, unknown> = {},
): Promise<Run & { readonly root: string }> {
  const { t, fake } = stage
  const instance = instanceName(node, 'work')
  const root = directory(t)
  const file = join(root, 'work.json')
  const run = { command: ['sleep', '1'] }
  writeFileSync(file, JSON.stringify({ name: 'work', partitions: { list: ['0', '1'] }, run, ...more }))
  fake.memory.put(keys.settings, JSON.stringify({ drained: [], held: ['0', '1'], epoch: 0 }))
  const files = instanceFiles(root, instance)
  const here = { instance, node, service: 'work', serviceId: 'work', definitionFile: file, files }
  return { ...here, root, consul: fake.consul, log: () => {} }
}

/** One of two machines without any lock: what it finds of its earlier life would be given back first. */
async function fresh(t: TestContext): Promise<Stage> {
  const stage = await staged(t, ['node1', 'node2'])
  for (const id of ['0', '1']) {
    stage.fake.memory.remove(keys.lock(id))
    stage.fake.memory.put(keys.lock(id), '{"clean":true}')
  }
  stage.fake.memory.destroy('node1')
  return stage
}

/** A source that this server answers. */
async function fetching(stage: Stage, answer: () => { status: number; text: string }) {
  const server = createServer((_, response) => {
    const { status, text } = answer()
    response.writeHead(status).end(text)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  stage.t.after(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const run = await running(stage, 'node1', { partitions: { http: { url }, every: '30s' } })
  makeDirectory(run.files.partitions)
  writeFact(run.files.session, 'node1')
  const accepted = {
    file: run.definitionFile,
    definition: await loadDefinition(run.definitionFile),
    digest: 'd',
    stamp: 's',
  }
  writeFact(run.files.definition, JSON.stringify(accepted))
  return run
}

/** By its number on the page: plants the fault, and returns what the command prints. */
const faults: Record<number, (t: TestContext) => Promise<string>> = {
  async 1(t) {
    const stage = await staged(t)
    stage.fake.memory.destroy('node1')
    const output = 'fork/exec /usr/local/lib/watchbill/current/node: no such file or directory'
    Object.assign(stage.machines[0] as Machine, { checks: [gossip('passing'), guard('critical', output)] })
    return check(stage)
  },
  async 2(t) {
    const stage = await staged(t)
    stage.fake.memory.destroy('node1')
    stage.fake.memory.lock(keys.lock('0'), 'node2', heldValue(heldBy('node2:work')))
    const checks = [gossip('critical', 'Agent not live or unreachable'), guard('passing')]
    Object.assign(stage.machines[0] as Machine, { checks })
    return check(stage)
  },
  async 3(t) {
    const stage = await staged(t)
    stage.fake.memory.remove(keys.lock('0'))
    stage.fake.memory.session('adf4238a-882b-9ddc-4a9d-5b6758e4159e', 'node9', 'backup')
    stage.fake.memory.lock(keys.lock('0'), 'adf4238a-882b-9ddc-4a9d-5b6758e4159e')
    return check(stage)
  },
  async 4(t) {
    const stage = await fresh(t)
    const run = await running(stage, 'node1')
    await reconcile(run)
    assert.doesNotMatch(await check(stage), /definition/)
    writeFileSync(run.definitionFile, '{"name": "work",\n  "partitions" }')
    await assert.rejects(reconcile(run), { name: 'Permanent' })
    const line = (await check(stage)).replaceAll(run.root, '/etc/watchbill')
    writeFileSync(
      run.definitionFile,
      JSON.stringify({ name: 'work', partitions: { list: ['0', '1'] }, run: { command: ['sleep', '2'] } }),
    )
    await reconcile(run)
    assert.doesNotMatch(await check(stage), /definition/, 'and is gone once the file is right')
    return line
  },
  async 5(t) {
    const stage = await staged(t, ['node1', 'node2'], { shared: 'one' })
    const other = memberValue('node2', definition, 'other', { shared: 'other' })
    stage.fake.memory.lock(keys.member('node2:work'), 'node2', other)
    return check(stage)
  },
  async 6(t) {
    const stage = await fresh(t)
    const alive = { name: 'alive', command: ['true'], interval: '60s', onFailure: 'drain', coolDown: '10m' }
    const run = await running(stage, 'node1', { checks: [alive] })
    await reconcile(run)
    makeDirectory(run.files.partition('0').directory)
    writeFact(run.files.partition('0').acquisition, 'x')
    const details = { Status: 'critical' }
    const event = eventOf({ id: 'x.alive.1', event: 'onFailure', check: 'alive', partition: '0', details })
    await react(run, await loadDefinition(run.definitionFile), event, 'drain')
    return check(stage)
  },
  async 7(t) {
    const stage = await staged(t)
    stage.fake.memory.put(keys.settings, '{"drained": "node1:work"}')
    return check(stage)
  },
  async 8(t) {
    const stage = await staged(t, ['node1'])
    Object.assign(stage.machines[0] as Machine, {
      checks: [gossip('critical', 'Agent not live or unreachable'), guard('passing')],
    })
    return check(stage)
  },
  async 9(t) {
    const stage = await staged(t, ['node1'])
    for (const key of [keys.revision, keys.partition('0'), keys.partition('1'), keys.lock('0')])
      stage.fake.memory.remove(key)
    let status = 500
    const run = await fetching(stage, () => ({ status, text: '{"data":["0"]}' }))
    await sync(run)
    const line = await check(stage)
    status = 200
    await sync(run)
    assert.doesNotMatch(await check(stage), /source/, 'and is gone after the next success')
    status = 500
    await sync(run)
    const { ok, remark, problem, partitions } = await readStatus(stage.fake.consul, 'work')
    assert.deepEqual([problem, partitions.length], [null, 1], 'with a set in force it is no problem yet')
    assert.match(remark ?? '', /^the source fails since .*500.*; mend it: it is tried again$/)
    assert.equal(ok, true)
    return line.replace(/127\.0\.0\.1:\d+/, 'api.example.com')
  },
  async 10(t) {
    const stage = await staged(t)
    stage.answers.set('/v1/', () => ({ status: 403, text: 'ACL not found' }))
    return printed(addressOf(stage))
  },
  async 11(t) {
    const stage = await staged(t)
    const { memory } = stage.fake
    // What Consul holds back is answered as soon as there is a leader; what the guards have to say comes after that.
    let heldBack = true
    stage.slow = async () => {
      if (!heldBack) return
      heldBack = false
      await delay(60)
      setTimeout(() => {
        for (const { node } of stage.machines) memory.destroy(node)
        const said =
          'cannot reach Consul at http://127.0.0.1:8500: no answer within 1000 ms; is it up?; the lease is over and nothing runs'
        for (const machine of stage.machines) machine.checks = [gossip('passing'), guard('critical', said)]
      }, 40)
    }
    const [status] = await look(stage.fake.consul, 'work', { slow: 50, settle: 200, every: 10 })
    return checkLine(status as Status)
  },
  async 12(t) {
    const stage = await fresh(t)
    const twins = [await running(stage, 'node1'), await running(stage, 'node1')]
    for (let round = 0; round < 3; round++) for (const twin of twins) await reconcile(twin)
    return check(stage)
  },
  async 13() {
    return printed('127.0.0.1:1')
  },
  async 14(t) {
    const stage = await staged(t)
    stage.answers.set('/v1/status/leader', () => ({ text: '""' }))
    stage.answers.set('/v1/', () => ({ status: 500, text: 'No cluster leader' }))
    return (await printed(addressOf(stage))).replace(addressOf(stage), '127.0.0.1:8500')
  },
  async 15(t) {
    return printed(addressOf(await staged(t)), 'wrok')
  },
  async 16(t) {
    const stage = await staged(t)
    for (const { Key } of stage.fake.memory.below(keys.root))
      if (!Key.startsWith(keys.members)) stage.fake.memory.remove(Key)
    return check(stage)
  },
  async 17(t) {
    const stage = await staged(t, [])
    for (const id of ['0', '1']) stage.fake.memory.put(keys.lock(id), '{"clean":true}')
    return check(stage)
  },
  async 18(t) {
    const stage = await staged(t, ['node1'])
    const capped = memberValue('node1', { ...definition, maxPartitions: 1 }, 'digest')
    stage.fake.memory.lock(keys.member('node1:work'), 'node1', capped)
    return check(stage)
  },
  async 19(t) {
    const stage = await staged(t)
    stage.fake.memory.put(keys.report('node1:work'), '{"0":"crash-looping since 1795947744: exit 127"}')
    return check(stage)
  },
  async 20(t) {
    const stage = await staged(t)
    const own = (check: string, Output: string) => ({
      CheckID: `work:0:${check}`,
      ServiceID: 'work:0',
      Status: 'critical',
      Output,
    })
    stage.answers.set('/v1/health/service/work-partition', () => ({
      text: [
        {
          Service: { ID: 'work:0', Meta: { partition: '0', watchbill: 'node1:work' }, Port: 0 },
          Checks: [own('disk', '98% used'), own('progress', 'TTL expired')],
        },
      ],
    }))
    return check(stage)
  },
  async 21(t) {
    // As in an uninterruptible wait of the kernel: no signal arrives.
    const kill = t.mock.method(process, 'kill', () => true)
    const stage = await staged(t, ['node1'])
    const run = await running(stage, 'node1')
    const child = spawn('sleep', ['100'], { detached: true, stdio: 'ignore' })
    t.after(() => {
      kill.mock.restore()
      child.kill('SIGKILL')
    })
    const { pid, start } = processOf(child.pid as number) as Process
    const files = run.files.partition('0')
    makeDirectory(files.directory)
    const lock = stage.fake.memory.keys.get(keys.lock('0'))?.ModifyIndex ?? 0
    for (const [file, text] of [
      [files.acquisition, 'x'],
      [files.index, String(lock)],
      [files.terms, '10000 0'],
    ] as const)
      writeFact(file, text)
    writeFileSync(files.process, `${pid} ${start}\n`)
    const snapshot = { ...snapshotOf({ session: 'node1', instance: 'node1:work' }), service: 'work', keys }
    const release = { do: 'release', partition: '0', index: lock, held: true, next: null, removed: false } as const
    await assert.rejects(act(run, snapshot, [release]), { name: 'Temporary' })
    stage.fake.memory.put(keys.settings, '{}')
    return (await check(stage)).replace(String(pid), '4711')
  },
  async 22(t) {
    const stage = await staged(t)
    const run = await running(stage, 'node1')
    stage.fake.memory.put(keys.settings, '{}')
    makeDirectory(`${run.files.lease}.${process.pid}.new`) // then no file can be written there
    writeFact(run.files.session, 'node1')
    await assert.rejects(renew(run, new Map(), bootClock()), { name: 'Temporary' })
    return (await check(stage)).replaceAll(run.root, '/var/lib/watchbill')
  },
  async 23(t) {
    const stage = await staged(t, ['node2'])
    stage.machines.push({ node: 'node3', checks: passing() })
    const run = await running(stage, 'node1')
    stage.fake.memory.put(keys.settings, '{}')
    stage.answers.set('/v1/session/renew/', () => ({
      text: [{ ID: 'x', Name: 'watchbill node1:work', Node: 'node3' }],
    }))
    await assert.rejects(onAddress(stage, () => reconcileOnce('reconcile', run, false)))
    return check(stage)
  },
  async 24(t) {
    const stage = await fresh(t)
    const run = await running(stage, 'node1')
    stage.answers.set('/v1/session/create', () => ({ status: 403, text: 'Permission denied' }))
    await assert.rejects(onAddress(stage, () => reconcileOnce('reconcile', run, false)))
    return check(stage)
  },
  async 25(t) {
    const stage = await staged(t)
    stage.machines.push({ node: 'node3', checks: [gossip('passing')] })
    return check(stage)
  },
  async 26(t) {
    const stage = await staged(t)
    stage.fake.memory.destroy('node1')
    const checks = [gossip('passing'), guard('critical', 'Timed out (10s) running check')]
    Object.assign(stage.machines[0] as Machine, { checks })
    return check(stage)
  },
  async 27(t) {
    const stage = await staged(t)
    stage.fake.memory.put(`${keys.partitions}tenant one`, '')
    return check(stage)
  },
  async 28(t) {
    const stage = await staged(t, ['node1'])
    stage.machines[0]?.checks.push({ CheckID: '_node_maintenance', Status: 'critical' })
    return check(stage)
  },
  async 29(t) {
    const stage = await fresh(t)
    const run = await running(stage, 'node1')
    await reconcile(run)
    makeDirectory(run.files.worker.directory)
    writeFact(run.files.worker.report, '{"closed":"out of licences"}')
    await reconcile(run)
    return check(stage)
  },
  async 30(t) {
    const stage = await staged(t, ['node1'])
    const all = Array.from({ length: 12 }, (_, id) => String(id))
    let list = all
    const run = await fetching(stage, () => ({ status: 200, text: JSON.stringify({ data: list }) }))
    await sync(run)
    list = all.slice(0, 2)
    await sync(run)
    return (await check(stage)).replace(/127\.0\.0\.1:\d+/, 'api.example.com')
  },
}

/** A program that finds Consul by its environment. */
async function onAddress<T>(stage: Stage, work: () => Promise<T>): Promise<T> {
  process.env.CONSUL_HTTP_ADDR = addressOf(stage)
  try {
    return await work()
  } finally {
    delete process.env.CONSUL_HTTP_ADDR
  }
}

interface Row {
  readonly number: number
  readonly symptom: string
  readonly line: string
}

/** `| 7 | symptom | `command` | `line` | what to do |` */
function rows(): Row[] {
  const table = readFileSync(page, 'utf8').matchAll(/^\| (\d+) +\| (.*?) *\| `(.*?)` *\| `(.*?)` *\|/gm)
  return [...table].map(([, number, symptom = '', , line = '']) => ({ number: Number(number), symptom, line }))
}

/** Some of it, as long as it stands there in this order: `…` is anything, and a time any other time. */
function pattern(line: string): RegExp {
  const time = /\d{4}-\d\d-\d\dT[\d:.]+Z/
  const exact = (text: string) => text.split(time).map(part => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
  return new RegExp(
    line
      .split('…')
      .map(part => exact(part).join(time.source))
      .join('.*'),
  )
}

describe('docs/troubleshooting.md', () => {
  const all = rows()

  it('has a line for each of the thirty faults', () => {
    const numbers = Object.keys(faults).map(Number)
    assert.deepEqual([all.map(({ number }) => number), numbers.length], [numbers, 30])
  })

  for (const { number, symptom, line } of all) {
    it(`is right on fault ${number}: ${symptom}`, async t => {
      const printed = await (faults[number] as (typeof faults)[number])(t)
      assert.match(printed, pattern(line))
      assert.equal(printed.includes('\n'), false, 'on one line')
    })
  }
})
