/** What purge and --uninstall do first: nothing is removed while a partition runs. The script's paths are those of a folder. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { execa } from 'execa'
import { directory } from '../fixtures/state.ts'
import { until } from '../lab/until.ts'

const script = readFileSync(join(import.meta.dirname, '../../packaging/package/take-down.sh'), 'utf8')

/** @param leave what `watchbill leave --all` does, as a shell script; null where there is no release in force */
async function machine(t: TestContext, leave: string | null, runs: boolean) {
  const root = directory(t)
  const own = script.replaceAll(/\/(?=usr\/local|etc\/|var\/)/g, `${root}/`)
  const left = own.replaceAll(root, '')
  assert.ok(own.includes(`rm -rf "$home" ${root}/var/lib/watchbill ${root}/etc/watchbill`), 'no real path may be left')
  assert.equal(left, script)
  const home = join(root, 'usr/local/lib/watchbill')
  for (const folder of ['etc/consul.d', 'etc/watchbill', 'var/lib/watchbill'])
    mkdirSync(join(root, folder), { recursive: true })
  mkdirSync(join(home, 'current'), { recursive: true })
  mkdirSync(join(home, 'releases/1/lib'), { recursive: true })
  const file = join(root, 'etc/consul.d/watchbill-svc.json')
  writeFileSync(file, `${home}/current/guard.cjs`)
  writeFileSync(join(root, 'etc/consul.d/other.json'), `${home}/current`)
  if (leave !== null) writeFileSync(join(home, 'current/watchbill'), `#!/bin/sh\n${leave}\n`, { mode: 0o755 })
  if (runs) await shepherd(t, join(home, 'releases/1/lib/shepherd.sh'))
  const { exitCode, stderr } = await execa('/bin/sh', ['-c', `set -eu\n${own}\ntake_down`], {
    env: { PATH: '/bin:/usr/bin', CONSUL_HTTP_ADDR: '127.0.0.1:1' },
    extendEnv: false,
    reject: false,
  })
  return {
    status: exitCode,
    stderr,
    left: [file, home, join(root, 'etc/watchbill'), join(root, 'var/lib/watchbill')].map(existsSync),
  }
}

async function shepherd(t: TestContext, file: string): Promise<void> {
  writeFileSync(file, 'echo ready; read -r line\n')
  const child = spawn('/bin/sh', [file], { stdio: ['pipe', 'pipe', 'ignore'] })
  t.after(() => child.kill('SIGKILL'))
  let said = ''
  child.stdout.on('data', chunk => {
    said += chunk
  })
  await until('the shepherd to run', () => said === 'ready\n')
}

const [all, nothing] = [Array(4).fill(true), Array(4).fill(false)]

describe('taking a machine down', { concurrency: true }, () => {
  for (const [what, leave] of [
    ['that cannot be handed over', 'exit 111'],
    ['of which leave does not know', 'exit 0'],
    ['and no release is in force', null],
  ] as const)
    it(`removes nothing while a partition runs ${what}`, async t => {
      const { status, stderr, left } = await machine(t, leave, true)
      assert.match(stderr, /^watchbill: temporary: cannot remove watchbill: .*$/)
      assert.deepEqual([status, left], [1, all])
    })

  for (const leave of ['exit 0', 'exit 111', null])
    it(`removes everything where nothing runs, and leave does ${leave}`, async t => {
      const { status, stderr, left } = await machine(t, leave, false)
      assert.deepEqual([status, stderr, left], [0, '', nothing])
    })
})
