import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, it, type TestContext } from 'node:test'
import { execa } from 'execa'
import { directory } from '../fixtures/state.ts'
import { freePorts } from '../lab/ports.ts'

const pager = join(import.meta.dirname, '../../examples/pager/pager.mjs')

interface Incident {
  readonly routing_key: string
  readonly event_action: string
  readonly dedup_key: string
  readonly payload?: { readonly summary: string; readonly severity: string }
}

/** A paging service that answers with these statuses, in turn, and with 202 from then on. */
async function service(t: TestContext, ...statuses: number[]) {
  const told: Incident[] = []
  const server = createServer(async (request, response) => {
    told.push(JSON.parse(await text(request)))
    response.writeHead(statuses.shift() ?? 202).end('{}')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const key = join(directory(t), 'key')
  writeFileSync(key, 'the key\n')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v2/enqueue`
  const page = (event: Record<string, unknown>) =>
    execa(process.execPath, [pager, url, key], { input: JSON.stringify(event), reject: false })
  return { told, page }
}

const failing = {
  Event: 'onFailure',
  EventID: 'e1',
  Service: 'consumer',
  Instance: 'a:consumer',
  Partition: '7',
  Name: 'progress',
  Status: 'critical',
  Output: 'TTL expired',
}

describe('the pager', () => {
  it('opens an incident and closes the same one; another check has another', async t => {
    const { told, page } = await service(t)
    await page(failing)
    await page({ ...failing, Event: 'onPass', Status: 'passing' })
    await page({ ...failing, Name: 'disk', Status: 'warning', Event: 'onWarning' })
    assert.deepEqual(
      told.map(({ event_action, dedup_key, payload }) => [event_action, dedup_key, payload?.severity]),
      [
        ['trigger', 'consumer/7/progress', 'critical'],
        ['resolve', 'consumer/7/progress', undefined],
        ['trigger', 'consumer/7/disk', 'warning'],
      ],
    )
    assert.equal(told[0]?.routing_key, 'the key')
    assert.equal(told[0]?.payload?.summary, 'consumer 7: progress is critical')
  })

  it('tries again what may pass', async t => {
    const { told, page } = await service(t, 500, 429)
    assert.equal((await page(failing)).exitCode, 0)
    assert.equal(told.length, 3)
  })

  it('does not try again what will not, and says so without the key', async t => {
    const { told, page } = await service(t, 400)
    const { exitCode, stderr } = await page(failing)
    assert.equal(exitCode, 1)
    assert.equal(told.length, 1)
    assert.match(stderr, /^cannot trigger consumer\/7\/progress at http:\S+: it answered 400$/)
  })

  it('exits 1 when nobody is there, for watchbill to try again', async t => {
    const key = join(directory(t), 'key')
    writeFileSync(key, 'the key')
    const [port] = await freePorts(1)
    const run = await execa(process.execPath, [pager, `http://127.0.0.1:${port}/`, key], {
      input: JSON.stringify(failing),
      reject: false,
    })
    assert.equal(run.exitCode, 1)
    assert.match(run.stderr, /ECONNREFUSED/)
  })
})
