import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { FakeConsul } from '../fixtures/consul.ts'
import { until } from '../lab/until.ts'
import { blocking, keys, type Page, pageOn, serviceIn } from './page.ts'

interface Stream {
  readonly news: { kind: string; why?: string }[]
  readonly end: () => Promise<void>
}

async function listen(t: TestContext, page: Page, address = '/live?service=svc'): Promise<Stream> {
  const answer = await page.ask(address)
  assert.equal(answer.status, 200)
  const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
  const news: Stream['news'] = []
  let text = ''
  void (async () => {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      text += Buffer.from(value).toString()
      const parts = text.split('\n\n')
      text = parts.pop() ?? ''
      for (const part of parts) if (part.startsWith('data: ')) news.push(JSON.parse(part.slice(6)))
    }
  })().catch(() => {})
  t.after(() => reader.cancel())
  return { news, end: () => reader.cancel() }
}

/** Waits until the feed would see a change: it has read what it compares with, and waits. */
function begun({ requests }: FakeConsul): Promise<unknown> {
  const compared = () => requests.some(({ path }) => path.startsWith('/v1/kv/watchbill/.events/'))
  const waits = () => requests.some(({ path }) => /^\/v1\/kv\/watchbill\/\?.*index=[1-9]/.test(path))
  return until('the feed to begin', async () => compared() && waits())
}

test('a change is told within a moment, and only to whom it concerns', async t => {
  const fake = await serviceIn(t)
  blocking(fake)
  const page = pageOn(t, fake.consul)
  fake.memory.put('watchbill/other/spec/revision', '{}')
  const [own, other] = [await listen(t, page), await listen(t, page, '/live?service=other')]
  await begun(fake)
  await until(
    'both to be known',
    async () => fake.requests.filter(({ path }) => path.includes('/.events/')).length >= 2,
  )
  const told = own.news.length
  const toldOther = other.news.length
  fake.memory.put(keys.report('a:svc'), '{"0":"crash-looping since 1700000000: exit 1"}')
  await until('the change', async () => own.news.length > told, { deadline: 2000 })
  const { partitions } = await page.json<{ partitions: { state: string }[] }>('/service?service=svc')
  assert.equal(partitions[0]?.state, 'crash-looping')
  assert.equal(other.news.length, toldOther)
  await own.end()
  await other.end()
})

test('50 viewers cost Consul what one does', async t => {
  const requestsOf = async (viewers: number): Promise<number> => {
    const fake = await serviceIn(t)
    blocking(fake)
    const page = pageOn(t, fake.consul)
    const streams = await Promise.all(Array.from({ length: viewers }, () => listen(t, page)))
    const look = () => Promise.all(streams.map(() => page.part('/service?service=svc')))
    await begun(fake)
    await look()
    for (const change of [1, 2, 3]) {
      const told = streams.map(({ news }) => news.length)
      fake.memory.put(keys.report('a:svc'), `{"0":"crash-looping since 170000000${change}: exit 1"}`)
      await until('all to be told', async () => streams.every(({ news }, at) => news.length > (told[at] as number)))
      await look()
    }
    await Promise.all(streams.map(({ end }) => end()))
    return fake.requests.length
  }
  const one = await requestsOf(1)
  const fifty = await requestsOf(50)
  t.diagnostic(`requests to Consul for 4 looks: ${one} with one viewer, ${fifty} with 50`)
  assert.ok(fifty <= one + 3, `${fifty} requests instead of ${one}`)
})

test('Consul away is said with the reason, and when it is back', async t => {
  const fake = await serviceIn(t)
  blocking(fake)
  const page = pageOn(t, fake.consul)
  const stream = await listen(t, page)
  await begun(fake)
  const usual = fake.script
  fake.script = () => ({ cut: true })
  fake.memory.put(keys.report('a:svc'), '{}') // ends the waiting query
  await until('it to be away', async () => stream.news.some(({ kind }) => kind === 'away'), { deadline: 5000 })
  assert.equal((await page.ask('/service?service=svc', { accept: 'application/json' })).status, 503)
  const late = await listen(t, page)
  await until('who comes late to be told', async () =>
    late.news.some(({ kind, why }) => kind === 'away' && /Consul/.test(why ?? '')),
  )
  fake.script = usual
  await until(
    'it to be back',
    async () => stream.news.at(-1)?.kind !== 'away' && stream.news.some(({ kind }) => kind === 'back'),
    {
      deadline: 5000,
    },
  )
  assert.equal((await page.ask('/service?service=svc', { accept: 'application/json' })).status, 200)
  await Promise.all([stream.end(), late.end()])
})

test('there are no more than 100 viewers, and one that goes makes room', async t => {
  const fake = await serviceIn(t)
  blocking(fake)
  const page = pageOn(t, fake.consul)
  const streams = await Promise.all(Array.from({ length: 100 }, () => listen(t, page)))
  assert.equal((await page.ask('/live?service=svc')).status, 503)
  await streams[0]?.end()
  const again = await listen(t, page)
  await Promise.all([...streams.slice(1), again].map(({ end }) => end()))
})

test('a viewer that does not read is let go', async t => {
  const fake = await serviceIn(t)
  blocking(fake)
  const page = pageOn(t, fake.consul)
  const answer = await page.ask('/live?service=svc')
  const stream = await listen(t, page)
  await begun(fake)
  for (let change = 0; change < 40; change++) {
    const told = stream.news.length
    fake.memory.put(keys.report('a:svc'), `{"0":"crash-looping since 17000000${change + 10}: exit 1"}`)
    await until(`change ${change}`, async () => stream.news.length > told)
  }
  await stream.end()
  await assert.rejects(async () => {
    const reader = (answer.body as ReadableStream).getReader()
    while (!(await reader.read()).done);
  }, /nobody reads/)
})
