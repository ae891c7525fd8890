/** The page that asks for tokens, on a real Consul that denies by default, with the policies of consul.d. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { guarded, letAgents, rulesFor, tokenFor } from '../access/lab.ts'
import { clusterFor } from '../lab/in-tests.ts'
import { pageOn } from '../lab/page.ts'
import { until } from '../lab/until.ts'

test('a read-only token sees and cannot change; an operator’s can; none sees nothing', async t => {
  const cluster = await clusterFor(t, guarded())
  const [s1] = cluster.agents
  assert.ok(s1)
  await letAgents(s1, ['work'])
  const reader = await tokenFor(s1, rulesFor('read-only', 'work'))
  const operator = await tokenFor(s1, rulesFor('operator', 'work'))
  const put = (key: string, value: object) => s1.api('PUT', `/v1/kv/watchbill/work/${key}`, value)
  await put('spec/revision', {})
  await put('partition/0', { from: 'hand' })
  await put('lock/0', { clean: true })
  const served = await pageOn(s1, '--ask-token')
  t.after(served.stop)
  const ask = (path: string, token?: string, body?: object) =>
    fetch(`${served.url.replace(/\/$/, '')}${path}`, {
      method: body ? 'POST' : 'GET',
      headers: {
        accept: 'application/json',
        'content-type': 'application/json',
        ...(token && { 'x-consul-token': token }),
      },
      ...(body && { body: JSON.stringify(body) }),
    })
  const hold = { act: 'hold', args: { service: 'work', partitions: ['0'] }, dryRun: false }
  for (const path of ['/', '/service?service=work', '/live']) {
    assert.equal((await ask(path)).status, 401, path)
    assert.equal((await ask(path, crypto.randomUUID())).status, 401, path)
  }
  assert.equal((await ask('/act', undefined, hold)).status, 401)

  const seen = await until('the reader to see it', async see => {
    const answer = await ask('/service?service=work', reader.secret)
    const body = (await answer.json()) as { partitions?: { state: string }[]; error?: string }
    see(body)
    return body.partitions ?? false
  })
  assert.equal(seen.length, 1)
  assert.equal((await ask('/', reader.secret)).status, 200)
  assert.equal((await ask('/events?service=work', reader.secret)).status, 200)
  const refused = await (await ask('/act', reader.secret, hold)).text()
  assert.match(refused, /missing permission: key_prefix \\"watchbill\/work\/spec\/\\" write/)
  const stream = new AbortController()
  const live = await fetch(`${served.url}live?service=work`, {
    headers: { 'x-consul-token': reader.secret },
    signal: stream.signal,
  })
  for (const path of ['/roll?service=work', '/ask?service=work', '/plan?service=work'])
    assert.equal((await ask(path, reader.secret)).status, 200, path)
  for (const [act, args] of [
    ['roll', { service: 'work', to: '2' }],
    ['sync', { service: 'work' }],
    ['freeze', { service: 'work' }],
  ] as const) {
    const said = await (await ask('/act', reader.secret, { act, args, dryRun: false })).text()
    assert.match(said, /"error":"cannot/, act)
  }
  const done = await (await ask('/act', operator.secret, hold)).text()
  assert.match(done, /"done":\["held: 0"\]/)
  let news = ''
  for await (const chunk of live.body as unknown as AsyncIterable<Uint8Array>) {
    news += Buffer.from(chunk).toString()
    if (/"kind":"change"/.test(news)) break
  }
  stream.abort()
  assert.ok(!/"kind":"away"/.test(news))
  const { events } = (await (await ask('/events?service=work', reader.secret)).json()) as {
    events: { what: string; by: string }[]
  }
  assert.match(events.find(({ what }) => what === 'held')?.by ?? '', /^token [\w-]+, by the page on /)
})
