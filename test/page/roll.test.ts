/** Versions on the page: the view of a roll-out, and the buttons that begin and order it. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { execa } from 'execa'
import { Consul } from '../../lib/consul/http.ts'
import { healthKey, healthText } from '../../lib/keys/health.ts'
import { currentRoll } from '../../lib/operate/roll/order.ts'
import { type ShownRoll, stepsOf } from '../../lib/operate/roll/shown.ts'
import { answers } from '../../lib/page/schemas.ts'
import type { FakeConsul } from '../fixtures/consul.ts'
import { rollOf } from '../roll/records.ts'
import { keys, linesOf, pageOn, serviceIn } from './page.ts'

const versions = { pattern: '^\\d+$', first: '1', keep: 3, timeoutMs: 1000 }
const defined = { run: { per: 'partition', command: ['/bin/true', '{version}'] }, versions } as object

async function stage(t: Parameters<typeof serviceIn>[0], partitions = 4) {
  const fake = await serviceIn(t, ['a', 'b'], partitions, defined)
  for (const [at, node] of ['a', 'b'].entries()) {
    const own = Array.from({ length: partitions }, (_, id) => String(id)).filter(id => Number(id) % 2 === at)
    const row = (id: string) => ({
      ...{ index: fake.memory.keys.get(keys.lock(id))?.ModifyIndex as number },
      ...{ startedFor: 60_000, readyFor: 60_000, restarts: 0 },
    })
    const health = { at: new Date().toISOString(), partitions: new Map(own.map(id => [id, row(id)])), leftOut: 0 }
    fake.memory.put(healthKey('svc', `${node}:svc`), healthText(health))
  }
  const asking: Consul = new Consul({ env: { CONSUL_HTTP_ADDR: fake.consul.address.origin }, by: async () => 'ann@n1' })
  t.after(() => asking.close())
  const page = pageOn(t, asking)
  const shown = () => page.json<ShownRoll>('/roll?service=svc')
  const does = async (act: string, args: object, dryRun = false) =>
    (await linesOf(await page.act(act, { service: 'svc', ...args }, dryRun))).at(-1) as Record<string, unknown>
  return { fake, page, shown, does }
}

async function program(fake: FakeConsul, ...args: string[]): Promise<string[]> {
  const file = join(import.meta.dirname, '../../handlers/roll.ts')
  const { stdout } = await execa(process.execPath, [file, 'svc', ...args, '--http-addr', fake.consul.address.origin], {
    stdin: 'ignore',
  })
  return stdout.split('\n')
}

test('a roll says first what the dry run of the program says: its steps, and how many', async t => {
  const { fake, does } = await stage(t)
  const { done, command } = await does('roll', { to: '2', canary: '1', 'max-unavailable': '50%', ack: 'yes' }, true)
  assert.equal(command, "watchbill roll svc --to 2 --max-unavailable '50%' --canary 1 --ack")
  const own = await program(fake, '--to', '2', '--max-unavailable', '50%', '--canary', '1', '--ack', '--dry-run')
  assert.deepEqual(done, own)
  assert.deepEqual(done, [
    'svc: the roll to 2 would begin, for 4 partitions; see watchbill roll svc --status',
    'step 1 of 2: 1 partition, at most 50% unavailable at a time; each step then waits for --proceed',
    'step 2 of 2: 4 partitions, at most 50% unavailable at a time',
  ])
  assert.equal(await currentRoll(fake.consul, 'svc'), null)
})

test('what is left empty is as if it were not given', async t => {
  const { does, fake } = await stage(t)
  await does('roll', { to: ' 2 ', canary: '', 'max-unavailable': '', settle: '', steps: '', ack: '' })
  const roll = await currentRoll(fake.consul, 'svc')
  assert.deepEqual([roll?.to, roll?.max, roll?.settleMs, roll?.ack], ['2', { number: 1 }, 10_000, false])
  assert.equal(roll?.by, 'ann@n1')
})

test('the view shows which partition has which version, and the orders that mean something now', async t => {
  const { does, shown, page, fake } = await stage(t)
  assert.deepEqual((await shown()).orders, [])
  assert.match(await page.part('/roll?service=svc'), /no version was ever rolled out[\s\S]*data-act="roll"/)
  await does('roll', { to: '2', canary: '1' })
  const preparing = await shown()
  assert.ok(answers['/roll']?.safeParse(preparing).success)
  assert.deepEqual(preparing.orders, ['pause', 'skip', 'revert'])
  assert.deepEqual(
    preparing.units.map(({ name, versions, state }) => [name, versions, state]),
    ['0', '1', '2', '3'].map(id => [id, ['1'], 'not yet']),
  )
  assert.deepEqual(preparing.steps, [
    { upTo: 1, state: 'waits' },
    { upTo: 4, state: 'to come' },
  ])
  assert.deepEqual(preparing.instances[0], { instance: 'a:svc', pattern: '^\\d+$', prepared: null, failed: null })
  const html = await page.part('/roll?service=svc')
  assert.ok(html.includes(preparing.lines[0] as string))
  const enabled = [...html.matchAll(/data-act="roll-(\w+)" data-args="[^"]*">/g)].map(([, order]) => order)
  assert.deepEqual(enabled, preparing.orders, 'the others have their place, and are disabled')
  assert.match(html, /data-act="roll-proceed" data-args="[^"]*" disabled>/)
  assert.ok(!html.includes('data-act="roll"'), 'while one is under way no other can begin')
  assert.equal(preparing.lines[0], (await program(fake))[0])
})

test('an order says what it would do, does it, and is an event with who gave it', async t => {
  const { does, shown, page } = await stage(t)
  await does('roll', { to: '2' })
  const id = (await shown()).roll?.id
  const { done } = await does('roll-pause', { id }, true)
  assert.match([done].flat().join('\n'), /roll to 2: paused[\s\S]*nothing more would be restarted; 0 partitions/)
  assert.equal((await shown()).roll?.state, 'preparing')
  await does('roll-pause', { id })
  assert.deepEqual((await shown()).orders, ['resume', 'revert'])
  await does('roll-resume', { id })
  await does('roll-skip', { id })
  await does('roll-revert', { id })
  const { events } = await page.json<{ events: { what: string; by: string; why: string }[] }>('/events?service=svc')
  assert.deepEqual(
    events.map(({ what, by, why }) => `${what} ${why} ${by}`),
    ['begun', 'paused', 'resumed', 'told to skip', 'told to revert'].map(what => `roll-out ${what} roll to 2 ann@n1`),
  )
})

test('a button that was drawn for an earlier roll-out does nothing to its successor', async t => {
  const { does, shown } = await stage(t)
  await does('roll', { to: '2' })
  const { error } = await does('roll-revert', { id: 'another' })
  assert.match(String(error), /cannot revert the roll-out of svc: that one is over, and a roll to 2 is under way/)
  assert.equal((await shown()).roll?.state, 'preparing')
})

test('what is refused is said in the words of the program', async t => {
  const { does } = await stage(t)
  for (const [args, why] of [
    [{ to: 'two' }, /does not fit versions.pattern of a:svc/],
    [{ to: '-rf' }, /that is no version/],
    [{ to: '2', canary: 'many' }, /--canary many is neither/],
    [{ to: '2', settle: '2h' }, /--settle 2h is no duration/],
    [{ to: '2', only: 'eu-*' }, /no partition fits eu-\*/],
  ] as const)
    assert.match(String((await does('roll', args)).error), why)
  assert.match(String((await does('roll-proceed', {})).error), /none is under way/)
})

test('steps: what is done, under way, waits, and is still to come', () => {
  const roll = rollOf({ steps: [{ number: 1 }, { percent: 50 }, { percent: 100 }] })
  const states = (over: object) => stepsOf({ ...roll, ...over }, 10).map(({ upTo, state }) => `${upTo} ${state}`)
  assert.deepEqual(states({ state: 'rolling', step: 1 }), ['1 done', '5 under way', '10 to come'])
  assert.deepEqual(states({ state: 'waiting', step: 1 }), ['1 done', '5 waits', '10 to come'])
  assert.deepEqual(states({ state: 'paused', before: 'waiting', step: 1 }), ['1 done', '5 waits', '10 to come'])
  assert.deepEqual(states({ state: 'done', step: 2 }), ['1 done', '5 done', '10 done'])
  assert.deepEqual(states({ state: 'reverting', step: 1 }), ['1 given up', '5 given up', '10 given up'])
})
