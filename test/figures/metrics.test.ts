/** `watchbill metrics`: the text, by rename, and over HTTP; and what ships for Prometheus and Grafana. */
import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { execa } from 'execa'
import { metricNames } from '../../lib/attend/metrics/metrics.ts'
import { directory } from '../fixtures/state.ts'
import { seeded } from './seeded.ts'

const handler = join(import.meta.dirname, '../../handlers/metrics.ts')
const shipped = join(import.meta.dirname, '../../packaging/prometheus')

const said = `# TYPE lag gauge
# HELP lag Messages behind.
lag{topic="a",node="other"} 12
# TYPE seen counter
seen_total 4
odd
`

function machine(t: TestContext) {
  const root = directory(t)
  seeded(root, 'n1:work', 'work', said)
  seeded(root, 'n1:more', 'more')
  const metrics = (args: readonly string[] = [], input = '') =>
    execa(process.execPath, [handler, '--state', root, ...args], { reject: false, input, stripFinalNewline: false })
  return { root, metrics }
}

describe('metrics', () => {
  it('prints each metric once, with all that have it', async t => {
    const { metrics } = machine(t)
    const { stdout, stderr, exitCode } = await metrics()
    assert.equal(exitCode, 0)
    const lines = stdout.split('\n')
    const types = lines.filter(line => line.startsWith('# TYPE')).map(line => line.split(' ')[2])
    assert.deepEqual(types, [...new Set(types)])
    const labels = 'service="work",node="n1",service_id="work"'
    for (const line of [
      '# TYPE watchbill_partition_cpu_seconds_total counter',
      `watchbill_partition_cpu_seconds_total{${labels},partition="7"} 8`,
      `watchbill_partition_memory_bytes{${labels},partition="7"} 67108864`,
      `watchbill_partition_takeover_seconds{${labels},partition="7"} 14.1`,
      `watchbill_partition_up{${labels},partition="7"} 1`,
      `watchbill_guard_runs_total{${labels}} 5`,
      `watchbill_guard_cpu_seconds_total{${labels}} 0.15`,
      `watchbill_lease_margin_seconds{${labels}} 7.001`,
      `watchbill_handler_runs_total{${labels},handler="on-service"} 2`,
      `watchbill_hand_over_seconds_total{${labels}} 0.75`,
      `watchbill_guard_runs_total{service="more",node="n1",service_id="more"} 5`,
      '# HELP lag Messages behind.',
      `lag{${labels},partition="7",topic="a",exported_node="other"} 12`,
      '# TYPE seen_total counter',
      `seen_total{${labels},partition="7"} 4`,
    ])
      assert.ok(lines.includes(line), `${line}\n--- is not in\n${stdout}`)
    assert.match(stderr, /^n1:work: 7: in \S+metrics cannot be read: odd$/m)
  })

  it('prints those of one service, and as OpenMetrics', async t => {
    const { metrics } = machine(t)
    const { stdout } = await metrics(['work', '--openmetrics'])
    assert.doesNotMatch(stdout, /service="more"/)
    assert.match(stdout, /^# TYPE watchbill_guard_runs counter\nwatchbill_guard_runs_total\{/m)
    assert.match(stdout, /\n# EOF\n$/)
  })

  it('writes a file that everybody may read', async t => {
    const { root, metrics } = machine(t)
    const file = join(root, 'watchbill.prom')
    const { stdout, exitCode } = await metrics(['--to', file])
    assert.deepEqual([stdout, exitCode, statSync(file).mode & 0o777], ['', 0, 0o644])
    assert.match(readFileSync(file, 'utf8'), /^watchbill_guard_runs_total/m)
    const { stderr, exitCode: code } = await metrics(['--to', join(root, 'none/x.prom')])
    assert.equal(code, 111)
    assert.match(stderr, /^metrics: temporary: cannot write \S+: ENOENT.*; make its directory writable for this user$/m)
  })

  const requests: [what: string, request: string, status: string, answer: RegExp][] = [
    [
      'a scrape',
      'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n',
      '200 OK',
      /version=0\.0\.4[\s\S]*watchbill_guard_runs_total\{/,
    ],
    [
      'a scrape that prefers OpenMetrics',
      'GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text;version=1.0.0,*/*\r\n\r\n',
      '200 OK',
      /openmetrics-text[\s\S]*# EOF\n$/,
    ],
    ['another path', 'GET /etc/passwd HTTP/1.1\r\n\r\n', '404 Not Found', /at \/metrics/],
    ['another method', 'POST /metrics HTTP/1.1\r\n\r\n', '405 Method Not Allowed', /GET only/],
    ['no HTTP at all', 'hello\r\n\r\n', '400 Bad Request', /no HTTP/],
    ['nothing', '', '400 Bad Request', /no HTTP/],
  ]
  for (const [what, request, status, answer] of requests) {
    it(`answers ${what} over HTTP`, async t => {
      const { stdout } = await machine(t).metrics(['--http'], request)
      const [head = '', body = ''] = stdout.split(/\r\n\r\n(.*)/s)
      assert.ok(head.startsWith(`HTTP/1.1 ${status}\r\n`), head)
      assert.match(stdout, answer)
      assert.equal(Buffer.byteLength(body), Number(/Content-Length: (\d+)/.exec(head)?.[1]))
    })
  }
})

describe('what ships for Prometheus and Grafana', () => {
  for (const name of ['alerts.yml', 'alerts.test.yml', 'dashboard.json']) {
    it(`names only metrics that there are: ${name}`, () => {
      const text = readFileSync(join(shipped, name), 'utf8')
      const named = new Set(text.match(/\bwatchbill_[a-z_]+\b/g))
      assert.ok(named.size > 8)
      assert.deepEqual(
        [...named].filter(metric => !metricNames.includes(metric)),
        [],
      )
    })
  }
})
