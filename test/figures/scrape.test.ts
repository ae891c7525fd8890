/** What a program serves is read beside the tick, and written where a program would write it itself. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, utimesSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { tendMetrics } from '../../lib/attend/metrics/textfile.ts'
import { processOf } from '../../lib/machine/identity.ts'
import { writeFact } from '../../lib/state/facts.ts'
import { mostOwn } from '../../lib/state/figures/own.ts'
import { definition } from '../fixtures/cluster.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { contextOf, partitionIn, stateOf } from '../fixtures/state.ts'
import { until } from '../lab/until.ts'

/** Partition "a/b" runs, and its program serves what `answer` says. */
async function served(t: TestContext, answer: RequestListener) {
  const { consul } = await fakeConsul(t)
  const files = stateOf(t)
  const own = partitionIn(files, 'a/b')
  const child = spawn('sleep', ['60'], { stdio: 'ignore' })
  t.after(() => child.kill('SIGKILL'))
  const process = await until('the process', () => processOf(child.pid as number))
  writeFact(own.acquisition, 'x')
  writeFact(own.process, `${process.pid} ${process.start}`)
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    answer(request, response)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/of/{partition}/metrics`
  const run = contextOf(consul, files)
  const scrape = () => tendMetrics(run, { ...definition, metrics: { url } })
  return { own, asked, scrape, logged: run.logged }
}

describe('the metrics that a program serves', () => {
  it('are read where its URL says, and not again at once', async t => {
    const { own, asked, scrape } = await served(t, (_request, response) => response.end('lag 12\n'))
    await scrape()
    await scrape()
    assert.deepEqual(asked, ['/of/a%2Fb/metrics'])
    assert.equal(readFileSync(own.metrics, 'utf8'), 'lag 12\n')
    const before = Date.now() / 1000 - 25
    utimesSync(own.metrics, before, before)
    await scrape()
    assert.equal(asked.length, 2)
  })

  const bad: [what: string, answer: RequestListener, why: RegExp][] = [
    ['an error', (_q, response) => response.writeHead(500).end(), /it answers 500/],
    ['too much', (_q, response) => response.end('x'.repeat(mostOwn + 1)), /more than 65536 bytes/],
    [
      'a way to elsewhere',
      (_q, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
      /failed/,
    ],
    ['nothing in time', () => {}, /timeout/],
  ]
  for (const [what, answer, why] of bad) {
    it(`are left out when it answers ${what}, in one line`, async t => {
      const { own, scrape, logged } = await served(t, answer)
      await scrape()
      assert.ok(!existsSync(own.metrics))
      assert.equal(logged.length, 1)
      assert.match(logged[0] as string, /^metrics: 1 of 1 do not answer, such as http:\/\/127\S+: /)
      assert.match(logged[0] as string, why)
    })
  }
})
