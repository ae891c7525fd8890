/** What a program serves is read beside the tick, and written where a program would write it itself. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { tendMetrics, writeTextfile } from '../../lib/attend/metrics/textfile.ts'
import { processOf } from '../../lib/machine/identity.ts'
import { makeDirectory, writeFact } from '../../lib/state/facts.ts'
import { mostOwn } from '../../lib/state/figures/own.ts'
import { definition, me } from '../fixtures/cluster.ts'
import { fakeConsul } from '../fixtures/consul.ts'
import { contextOf, directory, partitionIn, stateOf } from '../fixtures/state.ts'
import { until } from '../lab/until.ts'
import { seeded } from './seeded.ts'

/** Partition "a/b" runs, and its program serves what `answer` says. */
async function served(t: TestContext, answer: RequestListener) {
  const { consul } = await fakeConsul(t)
  const files = stateOf(t)
  makeDirectory(files.figures) // as the first tick does: what was logged stands there
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

  it('are missed in one line, although it is tried again and again', async t => {
    const { scrape, logged } = await served(t, (_request, response) => response.writeHead(500).end())
    for (let round = 0; round < 3; round++) await scrape()
    assert.equal(logged.length, 1, logged.join('\n'))
  })

  it('are read although another program has put a link to itself in the place of its file', async t => {
    const { own, asked, scrape } = await served(t, (_request, response) => response.end('lag 12\n'))
    symlinkSync(own.metrics, own.metrics)
    lutimesSync(own.metrics, 1, 1)
    await scrape()
    assert.equal(asked.length, 1)
    assert.equal(readFileSync(own.metrics, 'utf8'), 'lag 12\n')
  })
})

describe('the file for node_exporter', () => {
  it('is not written where a link leads', t => {
    const place = directory(t)
    const [file, victim] = [join(place, 'x.prom'), join(place, 'victim')]
    writeFileSync(victim, 'mine', { mode: 0o600 })
    symlinkSync(victim, `${file}.${process.pid}.new`)
    writeTextfile(file, 'up 1\n')
    assert.deepEqual([readFileSync(victim, 'utf8'), statSync(victim).mode & 0o777], ['mine', 0o600])
    assert.deepEqual([readFileSync(file, 'utf8'), statSync(file).mode & 0o777], ['up 1\n', 0o644])
    writeTextfile(file, 'up 2\n')
    assert.deepEqual(readdirSync(place).sort(), ['victim', 'x.prom'])
  })

  it('says in one line which lines are none, although it is written again and again', async t => {
    const root = directory(t)
    const files = seeded(root, me, 'svc', 'odd\nlag 1\n')
    const { consul } = await fakeConsul(t)
    const run = contextOf(consul, files)
    const textfile = join(root, 'x.prom')
    for (let round = 0; round < 3; round++) {
      await tendMetrics(run, { ...definition, metrics: { textfile } })
      assert.match(readFileSync(textfile, 'utf8'), /^lag\{/m)
      utimesSync(textfile, 1, 1)
    }
    assert.deepEqual([run.logged.length, /: odd$/.test(run.logged[0] ?? '')], [1, true])
  })

  const places: [what: string, make: (file: string) => void][] = [
    ['a link', file => symlinkSync('/nowhere', file)],
    ['a directory', file => mkdirSync(file)],
    ['a pipe', file => execFileSync('mkfifo', [file])],
  ]
  for (const [what, make] of places) {
    it(`does not replace ${what}: /dev/null is to stay one`, t => {
      const file = join(directory(t), 'x.prom')
      make(file)
      assert.throws(() => writeTextfile(file, 'up 1\n'), { name: 'Permanent', message: /it is no regular file/ })
      assert.equal(lstatSync(file).isFile(), false)
    })
  }
})
