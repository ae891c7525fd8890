import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { tokenPower } from '../../lib/page/power.ts'
import type { FakeConsul, Request } from '../fixtures/consul.ts'
import { rollOf } from '../roll/records.ts'
import { keys, linesOf, type Page, pageOn, serviceIn } from './page.ts'

/** What each token may; any other is none that Consul knows. */
const tokens: Readonly<Record<string, 'read' | 'write'>> = { 'a-reader': 'read', 'an-operator': 'write' }

interface Stage {
  readonly fake: FakeConsul
  readonly page: Page
  readonly lines: string[]
  readonly seen: string[]
}

async function stage(t: TestContext, acls = true): Promise<Stage> {
  const fake = await serviceIn(t)
  const lines: string[] = []
  const seen: string[] = []
  const { server } = await gate(t, fake, acls, seen)
  const env = { CONSUL_HTTP_ADDR: server, CONSUL_HTTP_TOKEN: 'of-the-page-itself' }
  const power = tokenPower(env, line => lines.push(line))
  return { fake, page: pageOn(t, fake.consul, { power }), lines, seen }
}

/** Lets through what the token of a request may, as Consul does. */
async function gate(t: TestContext, fake: FakeConsul, acls: boolean, seen: string[]) {
  const server = createServer(async (incoming, answer) => {
    const token = String(incoming.headers['x-consul-token'] ?? '')
    if (!seen.includes(token)) seen.push(token)
    let body = ''
    for await (const chunk of incoming) body += chunk
    const may = tokens[token]
    if (incoming.url?.startsWith('/v1/acl/token/self')) {
      if (!acls) return answer.writeHead(401).end('ACL support disabled')
      return may ? answer.end('{"AccessorID":"accessor"}') : answer.writeHead(403).end('ACL not found')
    }
    const changes = incoming.method === 'PUT' && /"Verb":"(set|cas|delete|lock)/.test(body)
    if (acls && (may === undefined || (changes && may === 'read')))
      return answer.writeHead(403).end('Permission denied')
    const url = `${fake.consul.address.origin}${incoming.url}`
    const method = incoming.method as Request['method']
    const passed = await fetch(url, { method, ...(body && { body }) })
    const index = passed.headers.get('x-consul-index')
    if (index !== null) answer.setHeader('x-consul-index', index)
    answer.writeHead(passed.status).end(await passed.text())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { server: `127.0.0.1:${(server.address() as AddressInfo).port}` }
}

const status = async (page: Page, token?: string) =>
  (await page.ask('/service?service=svc', { accept: 'application/json', ...(token && { 'x-consul-token': token }) }))
    .status

test('without a token, or with one that Consul does not know, nothing is shown', async t => {
  const { page, seen } = await stage(t)
  assert.equal(await status(page), 401)
  assert.equal(await status(page, 'guess'), 401)
  assert.equal(await status(page, 'two words'), 401)
  assert.equal((await page.ask('/live')).status, 401)
  assert.equal((await page.act('drain', { service: 'svc', instance: 'a:svc' }, true)).status, 401)
  assert.ok(!seen.includes('') && !seen.includes('of-the-page-itself'), 'the token of the environment is never used')
})

test('a read-only token sees and cannot change; an operator’s can', async t => {
  const { page, fake } = await stage(t)
  const drain = (token: string) =>
    page.act('drain', { service: 'svc', instance: 'a:svc' }, false, { 'x-consul-token': token })
  const drained = () => (fake.memory.value(keys.settings) as { drained: string[] }).drained
  assert.equal(await status(page, 'a-reader'), 200)
  const [line] = await linesOf(await drain('a-reader'))
  assert.match(String(line?.error), /missing permission/)
  assert.deepEqual(drained(), [])
  assert.equal(await status(page, 'an-operator'), 200)
  assert.ok((await linesOf(await drain('an-operator')))[0]?.done)
  assert.deepEqual(drained(), ['a:svc'])
})

test('of roll-outs and schedulers a read-only token sees all and presses nothing; nobody’s token is in what is shown', async t => {
  const { page, fake, lines } = await stage(t)
  const put = (key: string, value: object) => fake.memory.put(key, JSON.stringify(value))
  put(keys.roll, rollOf({ id: 'r1' }))
  put(keys.settings, { drained: [], epoch: 0, roll: { id: 'r1', to: '2.0' } })
  put(keys.duty('scheduler'), { by: 'a:svc', actions: { move: { title: '', arguments: {} } } })
  const views = ['/roll?service=svc', '/ask?service=svc', '/plan?service=svc']
  for (const path of views) {
    const seen = (token: string) => page.ask(path, { accept: 'application/json', 'x-consul-token': token })
    assert.equal((await page.ask(path)).status, 401, path)
    const answer = await seen('a-reader')
    assert.equal(answer.status, 200, path)
    assert.ok(!/a-reader|an-operator/.test(await answer.text()), path)
  }
  const before = JSON.stringify([...fake.memory.keys])
  const press = async (act: string, args: object, token: string) =>
    (await linesOf(await page.act(act, { service: 'svc', ...args }, false, { 'x-consul-token': token }))).at(-1)
  for (const [act, args] of [
    ['roll-pause', { id: 'r1' }],
    ['roll-revert', {}],
    ['ask', { action: 'move' }],
    ['sync', {}],
  ] as const)
    assert.match(String((await press(act, args, 'a-reader'))?.error), /missing permission/, act)
  assert.equal(JSON.stringify([...fake.memory.keys]), before)
  assert.ok((await press('roll-pause', { id: 'r1' }, 'an-operator'))?.done)
  const told = await page.ask('/events?service=svc', { accept: 'application/json', 'x-consul-token': 'a-reader' })
  const { events } = (await told.json()) as { events: { by: string }[] }
  assert.match(events[0]?.by ?? '', /^token accessor, by the page on /)
  assert.ok(!lines.some(line => /a-reader|an-operator/.test(line)))
})

test('what was read with one token is not shown to another', async t => {
  const { page } = await stage(t)
  assert.equal(await status(page, 'an-operator'), 200)
  assert.equal(await status(page, 'guess'), 401)
})

test('guessing is slow', async t => {
  const { page, seen } = await stage(t)
  const all = await Promise.all(Array.from({ length: 50 }, (_, at) => status(page, `guess-${at}`)))
  assert.ok(all.every(one => one === 401))
  assert.ok(seen.length <= 5, `${seen.length} were asked about`)
})

test('a token is in no answer and no line of --debug', async t => {
  const { page, lines } = await stage(t)
  for (const token of ['a-reader', 'guess-me']) {
    const answer = await page.ask('/service?service=svc', { 'x-consul-token': token, accept: 'application/json' })
    assert.ok(!(await answer.text()).includes(token))
    assert.ok(!JSON.stringify([...answer.headers]).includes(token))
  }
  assert.ok(lines.length > 0 && !lines.some(line => /a-reader|guess-me/.test(line)))
})

test('a Consul without ACLs is refused: a token would protect nothing there', async t => {
  const { page } = await stage(t, false)
  const answer = await page.ask('/service?service=svc', { 'x-consul-token': 'anything', accept: 'application/json' })
  assert.equal(answer.status, 404)
  assert.match(await answer.text(), /this Consul has no ACLs/)
})
