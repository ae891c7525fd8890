/** What ships for Prometheus, by Prometheus' own tool. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { execa } from 'execa'
import { directory } from '../fixtures/state.ts'
import { howToGet, unpacked } from '../lab/debian.ts'
import { freePorts } from '../lab/ports.ts'
import { until } from '../lab/until.ts'
import { seeded } from './seeded.ts'

const root = join(import.meta.dirname, '../..')
const shipped = join(root, 'packaging/prometheus')
const tool = await unpacked('promtool', 'prometheus', console.error)
const skip = tool === null && howToGet('promtool', 'prometheus')

/** What it says, and whether it found nothing wrong. */
async function promtool(args: readonly string[], input = '') {
  const { all, exitCode } = await execa(tool as string, args, { all: true, reject: false, input, cwd: shipped })
  return { said: all, exitCode }
}

describe('the socket unit', () => {
  const isThere = existsSync('/usr/bin/systemd-socket-activate')
  it('answers each scrape by a program of its own', { skip: !isThere && 'systemd is not here' }, async t => {
    const state = directory(t)
    seeded(state, 'n1:work', 'work')
    const [port] = await freePorts(1)
    const service = [process.execPath, join(root, 'handlers/metrics.ts'), '--http', '--state', state]
    const args = ['--accept', '--inetd', `--listen=127.0.0.1:${port}`, ...service]
    const child = spawn('/usr/bin/systemd-socket-activate', args, { stdio: 'ignore' })
    t.after(() => child.kill('SIGTERM'))
    for (let scrape = 0; scrape < 2; scrape++) {
      const text = await until('an answer', async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text())
      assert.match(text, /^watchbill_guard_runs_total\{service="work",node="n1",service_id="work"\} 5$/m)
    }
  })
})

describe('promtool', { skip }, () => {
  before(async () => assert.equal((await promtool(['--version'])).exitCode, 0))

  it('finds nothing wrong with the metrics', async t => {
    const state = directory(t)
    seeded(
      state,
      'n1:work',
      'work',
      '# HELP lag_messages Messages behind.\n# TYPE lag_messages gauge\nlag_messages 12\n',
    )
    const { stdout } = await execa(process.execPath, [join(root, 'handlers/metrics.ts'), '--state', state])
    assert.ok(stdout.split('\n').length > 60)
    assert.deepEqual(await promtool(['check', 'metrics'], `${stdout}\n`), { said: '', exitCode: 0 })
  })

  it('finds nothing wrong with the alert rules', async () => {
    const { said, exitCode } = await promtool(['check', 'rules', 'alerts.yml'])
    assert.equal(exitCode, 0, said)
    assert.match(said, /SUCCESS: 9 rules found/)
  })

  it('sees every alert fire for its fault, and none without', async () => {
    const { said, exitCode } = await promtool(['test', 'rules', 'alerts.test.yml'])
    assert.equal(exitCode, 0, said)
  })
})
