import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { execa } from 'execa'
import { Consul } from '../../lib/consul/http.ts'
import { acts } from '../../lib/page/acts/acts.ts'
import { actLine } from '../../lib/page/openapi.ts'
import type { FakeConsul } from '../fixtures/consul.ts'
import { until } from '../lab/until.ts'
import { keys, linesOf, pageOn, serviceIn } from './page.ts'

/** What the program prints. */
async function program(fake: FakeConsul, command: string, ...more: string[]): Promise<string[]> {
  const [, name = '', ...args] = command.split(' ').map(word => word.replace(/^'(.*)'$/, '$1'))
  const file = join(import.meta.dirname, `../../handlers/${name}.ts`)
  const address = ['--http-addr', fake.consul.address.origin]
  const { stdout } = await execa(process.execPath, [file, ...args, ...more, ...address], { stdin: 'ignore' })
  return stdout.split('\n')
}

/** All that stands in Consul. */
function written({ memory }: FakeConsul): string {
  return JSON.stringify([...memory.keys])
}

const partitions = { service: 'svc', partitions: ['0'] }
const drained = { service: 'svc', instance: 'a:svc' }

/** The act, its arguments, and how many lines of the dry run are the program’s own; the others are those of `plan`. */
const same: [act: string, args: object][] = [
  ['drain', drained],
  ['undrain', drained],
  ['hold', partitions],
  ['unhold', partitions],
  ['pin', { ...partitions, instance: 'b:svc' }],
  ['unpin', partitions],
  ['restart', partitions],
  ['freeze', { service: 'svc', why: 'work on the network' }],
  ['thaw', { service: 'svc' }],
  ['scale', { service: 'svc', to: '4' }],
]

// The others take their line from the same function as their program.
for (const [name, args] of same.filter(([name]) => ['drain', 'restart', 'freeze', 'thaw', 'scale'].includes(name))) {
  test(`${name} says first what the program's dry run says`, async t => {
    const fake = await serviceIn(t)
    const page = pageOn(t, fake.consul)
    const before = written(fake)
    const [last] = await linesOf(await page.act(name, args, true))
    const { done, command } = last as { done: string[]; command: string }
    assert.equal(written(fake), before, 'and changes nothing')
    const own = await program(fake, command.replace(/'work on the network'/, 'work'), '--dry-run')
    assert.deepEqual(done.slice(0, own.length), own)
  })
}

test('drain, hold and freeze do what they say, and the view shows it', async t => {
  const fake = await serviceIn(t)
  const page = pageOn(t, fake.consul)
  const [drain] = await linesOf(await page.act('drain', drained, false))
  assert.deepEqual(drain, { done: ['a:svc is drained'], command: 'watchbill drain svc a:svc' })
  assert.deepEqual(await linesOf(await page.act('hold', partitions, false)), [
    { done: ['held: 0'], command: 'watchbill hold svc 0' },
  ])
  await linesOf(await page.act('freeze', { service: 'svc', why: 'x' }, false))
  const settings = fake.memory.value(keys.settings) as { drained: string[]; held: string[] }
  assert.deepEqual([settings.drained, settings.held], [['a:svc'], ['0']])
  const { summary, instances } = await page.json<{ summary: string; instances: { state: string }[] }>(
    '/service?service=svc',
  )
  assert.match(summary, /FROZEN by hand/)
  assert.equal(instances[0]?.state, 'drained')
})

test('what a drain would move is said before', async t => {
  const fake = await serviceIn(t)
  const page = pageOn(t, fake.consul)
  const [line] = await linesOf(await page.act('drain', drained, true))
  assert.match([line?.done].flat().join('\n'), /svc: 1 partition would move\n[\s\S]*0 +a:svc +b:svc +a:svc is drained/)
})

test('what is refused is said in the words of the program', async t => {
  const fake = await serviceIn(t)
  const page = pageOn(t, fake.consul)
  for (const [act, args, why] of [
    ['hold', { service: 'svc', partitions: ['9'] }, /cannot hold 9: svc has no such partition/],
    ['drain', { service: 'svc', instance: 'z:svc' }, /cannot drain z:svc: svc has no such instance/],
    ['evict', drained, /cannot evict a:svc: it lives/],
    ['purge', { service: 'svc' }, /cannot purge svc: .* is there/],
    ['drain', { service: 'none', instance: 'a' }, /keeps no such service/],
    ['scale', { service: 'svc', to: 'many' }, /many/],
  ] as const) {
    const before = written(fake)
    const [line] = await linesOf(await page.act(act, args, false))
    assert.match(String(line?.error), why)
    assert.equal(written(fake), before)
  }
})

test('arguments that are none are refused before anything is asked', async t => {
  const fake = await serviceIn(t)
  const page = pageOn(t, fake.consul)
  for (const [act, args] of [
    ['explode', {}],
    ['drain', {}],
    ['drain', { ...drained, more: 1 }],
    ['hold', { service: 'svc', partitions: [] }],
    ['hold', { service: 'svc', partitions: Array(201).fill('0') }],
    ['drain', null],
    ['__proto__', {}],
  ] as const) {
    const answer = await page.act(act, args, false)
    assert.equal(answer.status, 400, act)
  }
  assert.equal((await page.act('drain', drained, 'no' as unknown as boolean)).status, 400)
  assert.equal(fake.requests.length, 0)
})

test('every line of an answer is one that the description names', async t => {
  const fake = await serviceIn(t)
  const page = pageOn(t, fake.consul)
  for (const name of acts.keys()) {
    const args = Object.fromEntries([...same].map(([act, args]) => [act, args]))[name] ?? {
      service: 'svc',
      instance: 'a:svc',
    }
    const answer = await page.act(name, args, true)
    if (answer.status !== 200) continue
    for (const line of await linesOf(answer)) actLine.parse(line)
  }
})

test('every change is an event that says who did it', async t => {
  const fake = await serviceIn(t)
  const asking: Consul = new Consul({ env: { CONSUL_HTTP_ADDR: fake.consul.address.origin }, by: async () => 'ann@n1' })
  const page = pageOn(t, asking)
  await linesOf(await page.act('drain', drained, false))
  await linesOf(await page.act('hold', partitions, false))
  await linesOf(await page.act('pin', { ...partitions, instance: 'b:svc' }, false))
  await linesOf(await page.act('freeze', { service: 'svc', why: 'work' }, false))
  const { events } = await page.json<{ events: { what: string; by: string }[] }>('/events?service=svc')
  assert.deepEqual(
    events.map(({ what, by }) => [what, by]),
    [
      ['drained', 'ann@n1'],
      ['held', 'ann@n1'],
      ['pinned', 'ann@n1'],
      ['frozen', 'ann@n1'],
    ],
  )
  assert.match(await page.part('/service?service=svc'), /ann@n1 {2}- {2}drained a:svc/)
})

test('what was begun goes on when nobody reads any more', async t => {
  const fake = await serviceIn(t)
  const page = pageOn(t, fake.consul)
  let wait = () => {}
  const waited = new Promise<void>(resolve => {
    wait = resolve
  })
  fake.script = async ({ method }) => {
    if (method === 'PUT') await waited
    return undefined
  }
  const answer = await page.act('hold', partitions, false)
  await answer.body?.cancel()
  wait()
  await until('it to be held', async () => (fake.memory.value(keys.settings) as { held: string[] }).held.includes('0'))
})
