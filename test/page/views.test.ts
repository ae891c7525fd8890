import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Shown } from '../../lib/operate/events/read.ts'
import { readStatus } from '../../lib/operate/status/status.ts'
import { openApi } from '../../lib/page/openapi.ts'
import { answers } from '../../lib/page/schemas.ts'
import { timeLine } from '../../lib/page/views/events.ts'
import { keys, pageOn, serviceIn } from './page.ts'

const addresses = [
  '/',
  '/service?service=svc',
  '/partition?service=svc&partition=0',
  '/instance?service=svc&instance=a:svc',
  '/machine?node=a',
  '/plan?service=svc&drain=a',
  '/roll?service=svc',
  '/ask?service=svc',
  '/events',
  '/events?service=svc&partition=0',
  '/document?service=svc&partition=0',
]

test('each view answers what its description says', async t => {
  const { consul } = await serviceIn(t)
  const page = pageOn(t, consul)
  for (const address of addresses) {
    const answer = await page.ask(address, { accept: 'application/json' })
    assert.equal(answer.status, 200, address)
    const path = address.split('?')[0] as string
    const parsed = answers[path]?.safeParse(await answer.json())
    assert.ok(parsed?.success, `${address}: ${parsed?.error}`)
  }
})

test('every address of the description exists, and none is missing in it', () => {
  const { paths } = openApi() as { paths: Record<string, unknown> }
  const described = Object.keys(paths).filter(path => !['/live', '/act'].includes(path))
  assert.deepEqual(described.sort(), Object.keys(answers).sort())
})

test('a service is word for word what status says', async t => {
  const fake = await serviceIn(t)
  fake.memory.put(keys.report('a:svc'), '{"0":"crash-looping since 1700000000: exit 127"}')
  const page = pageOn(t, fake.consul)
  const status = await readStatus(fake.consul, 'svc')
  assert.deepEqual(await page.json('/service?service=svc'), JSON.parse(JSON.stringify(status)))
  const html = await page.part('/service?service=svc')
  assert.ok(html.includes(status.summary))
  assert.match(status.partitions[0]?.why ?? '', /exit 127 \(command not found\)/)
  assert.ok(html.includes(status.partitions[0]?.why as string))
})

test('what does not exist is said to be so', async t => {
  const { consul } = await serviceIn(t)
  const page = pageOn(t, consul)
  for (const [address, why] of [
    ['/service?service=none', /watchbill keeps no such service; there are svc/],
    ['/partition?service=svc&partition=9', /svc has no such partition/],
    ['/instance?service=svc&instance=c:svc', /svc has no such instance/],
    ['/machine?node=z', /no instance of any service/],
  ] as const) {
    const answer = await page.ask(address, { accept: 'application/json' })
    assert.equal(answer.status, 404, address)
    assert.match(((await answer.json()) as { error: string }).error, why)
  }
  assert.equal((await page.ask('/service')).status, 400)
  assert.equal((await page.ask('/nothing')).status, 404)
})

test('only problems, and what a filter finds', async t => {
  const fake = await serviceIn(t)
  fake.memory.put(keys.report('a:svc'), '{"0":"crash-looping since 1700000000: exit 1"}')
  const page = pageOn(t, fake.consul)
  const list = (html: string) =>
    [...html.matchAll(/<th scope="row"><a href="\/partition[^"]*">([^<]*)/g)].map(([, id]) => id)
  assert.deepEqual(list(await page.part('/service?service=svc')), ['0', '1'])
  assert.deepEqual(list(await page.part('/service?service=svc&problems=1')), ['0'])
  assert.deepEqual(list(await page.part('/service?service=svc&filter=b:svc')), ['1'])
  assert.deepEqual(list(await page.part('/service?service=svc&filter=running')), ['1'])
})

test('documents on demand, and not at all with --no-documents', async t => {
  const { consul } = await serviceIn(t)
  const page = pageOn(t, consul)
  const found = await page.json<{ document: string }>('/document?service=svc&partition=0')
  assert.deepEqual(JSON.parse(found.document), { topic: '<b>orders</b>' })
  assert.ok(!(await page.part('/partition?service=svc&partition=0')).includes('orders'))
  const silent = pageOn(t, consul, { shows: { documents: false, logs: true } })
  assert.equal((await silent.ask('/document?service=svc&partition=0')).status, 404)
  assert.ok(!(await silent.part('/partition?service=svc&partition=0')).includes('data-document'))
})

test('moves of the last hour are on a line of time for each instance', () => {
  const now = Date.parse('2026-01-01T12:00:00Z')
  const event = (what: string, teller: string, ago: number): Shown => ({
    ...{
      key: `${what}${ago}`,
      index: 1,
      at: now - ago * 60_000,
      what,
      partitions: ['0'],
      more: 0,
      instance: null,
      why: null,
    },
    ...{ teller, by: null, service: 'svc' },
  })
  const all = [
    event('acquired', 'a:svc', 70),
    event('acquired', 'a:svc', 30),
    event('moved', 'a:svc', 1),
    event('exited', 'b:svc', 1),
  ]
  const { text } = timeLine('svc', all, now)
  assert.match(text, /aria-label="a:svc: 1 acquired, 1 moved"/)
  assert.match(text, /translate\(300\.0 8\)/)
  assert.ok(!text.includes('b:svc'), 'an exit is no move')
})
