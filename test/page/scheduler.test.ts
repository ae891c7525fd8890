/** The scheduler on the page: its plan, its log and refusals, and its actions as buttons. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Consul } from '../../lib/consul/http.ts'
import type { Actions } from '../../lib/definition/assign.ts'
import { answers } from '../../lib/page/schemas.ts'
import type { AskView } from '../../lib/page/views/ask.ts'
import type { PlanView } from '../../lib/page/views/plan.ts'
import { schedule } from '../../lib/scheduler/schedule.ts'
import { keys, service } from '../scheduler/service.ts'
import { linesOf, pageOn } from './page.ts'

const actions: Actions = {
  promote: { title: 'make it the first', arguments: { partition: 'which' } },
  rebalance: { title: 'spread anew', arguments: {} },
}
const good = `cat >/dev/null; echo '{"assignment":{"0":"b:svc","1":{"instance":null,"reason":"no licence"}},"log":["why so"]}'`

async function stage(t: Parameters<typeof service>[0]) {
  const { fake, a, write } = await service(t, good, { actions })
  const asking: Consul = new Consul({ env: { CONSUL_HTTP_ADDR: fake.consul.address.origin }, by: async () => 'ann@n1' })
  t.after(() => asking.close())
  return { fake, a, write, page: pageOn(t, asking) }
}

test('the plan in force, its log and what was refused stand on the view of the plan', async t => {
  const { page, a, write } = await stage(t)
  await schedule(a)
  write('echo hello')
  await schedule(a)
  const found = await page.json<PlanView>('/plan?service=svc')
  const parsed = answers['/plan']?.safeParse(found)
  assert.ok(parsed?.success, String(parsed?.error))
  assert.deepEqual(found.scheduler?.plan?.assignment, { 0: 'b:svc' })
  const html = await page.part('/plan?service=svc')
  for (const words of ['plan 1 of', 'no licence', 'why so', 'it is not JSON', 'watchbill plan svc --show'])
    assert.ok(html.includes(words), words)
})

test('a service without a scheduler has none there', async t => {
  const { page } = await stage(t)
  assert.equal((await page.json<PlanView>('/plan?service=svc')).scheduler, null)
})

test('actions are buttons with a field for each argument', async t => {
  const { page, a, fake } = await stage(t)
  await schedule(a)
  fake.memory.put(keys.ask('x1'), '{"action":"rebalance","arguments":{},"at":"2026-01-01T00:00:00Z"}')
  fake.memory.put(
    keys.ask('x2'),
    '{"action":"promote","arguments":{"partition":"1"},"at":"2026-01-01T00:00:01Z","answer":"done so"}',
  )
  const found = await page.json<AskView>('/ask?service=svc')
  assert.ok(answers['/ask']?.safeParse(found).success)
  assert.equal(found.by, 'a:svc')
  assert.deepEqual(found.actions[0], {
    ...{ name: 'promote', title: 'make it the first' },
    arguments: [{ name: 'partition', about: 'which' }],
  })
  const html = await page.part('/ask?service=svc')
  assert.match(html, /data-act="ask"[\s\S]*make it the first[\s\S]*name="arguments.partition"/)
  assert.match(html, /<em>waits<\/em>[\s\S]*promote partition=1[\s\S]*done so/)
})

test('an action says first what it would ask, and then prints the answer; it is an event with who asked', async t => {
  const { page, a, fake } = await stage(t)
  await schedule(a)
  const promote = { service: 'svc', action: 'promote', arguments: { partition: '1' } }
  const [would] = await linesOf(await page.act('ask', promote, true))
  assert.deepEqual(would, {
    done: ['would ask the scheduler on a:svc: promote partition=1 (make it the first)'],
    command: "watchbill ask svc promote 'partition=1'",
  })
  assert.equal(fake.memory.keys.has(keys.asked), false)
  const answer = page.act('ask', promote, false)
  const waits = async () => (await page.json<AskView>('/ask?service=svc')).asked[0]
  while ((await waits()) === undefined) await delay(20)
  write(fake, (await waits())?.id as string)
  const lines = await linesOf(await answer)
  assert.deepEqual(lines.at(-1)?.done, ['promoted'])
  const { events } = await page.json<{ events: { what: string; by: string; why: string }[] }>('/events?service=svc')
  const asked = events.find(({ what }) => what === 'scheduler asked')
  assert.deepEqual([asked?.by, asked?.why], ['ann@n1', 'promote partition=1'])
})

function write({ memory }: Awaited<ReturnType<typeof stage>>['fake'], id: string): void {
  const value = memory.value(keys.ask(id)) as object
  memory.put(keys.ask(id), JSON.stringify({ ...value, answer: 'promoted' }))
}

test('what is no action, or has other arguments, is refused in the words of the program', async t => {
  const { page, a } = await stage(t)
  const ask = async (action: string, given: unknown) => {
    const answer = await page.act('ask', { service: 'svc', action, arguments: given }, false)
    return answer.status === 200 ? String((await linesOf(answer)).at(-1)?.error) : answer.status
  }
  assert.match(String(await ask('promote', {})), /no instance has run a scheduler yet/)
  await schedule(a)
  assert.match(String(await ask('explode', {})), /there is no such action in its definition; there are: promote/)
  assert.match(String(await ask('promote', {})), /the argument partition is missing/)
  assert.match(String(await ask('rebalance', { partition: '1' })), /it has no argument partition/)
  assert.match(String(await ask('promote', JSON.parse('{"__proto__":"1"}'))), /missing|has no argument/)
  assert.equal(await ask('promote', { partition: 'x'.repeat(2000) }), 400)
  assert.equal(await ask('promote', { partition: ['1'] }), 400)
})
