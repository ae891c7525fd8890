/** What the scripts of examples/lock do when Consul does not tell: nothing is done that may have been done. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it, type TestContext } from 'node:test'
import { execa } from 'execa'

const scripts = join(import.meta.dirname, '../../examples/lock')

/** It cannot be read, and can be written, as Consul is when a leader is elected between two requests. */
const consul = `case "$*" in 'kv get '*) echo 'Error querying Consul agent: 500' >&2; exit 1 ;; esac\n`

function unreadable(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), 'watchbill-example-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const [bin, done] = [join(root, 'bin'), join(root, 'done')]
  mkdirSync(bin)
  writeFileSync(done, '')
  const program = (name: string, script: string) =>
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}`, { mode: 0o755 })
  program('watchbill', 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"\n')
  program('consul', `${consul}echo "$*" >>'${done}'\n`)
  program('redis-server', `echo redis >>'${done}'\n`)
  program('make-report', `echo report >>'${done}'\n`)
  const env = { PATH: `${bin}:/usr/bin:/bin`, REPORT: 'make-report' }
  const run = (...words: string[]) => execa('sh', words, { env, extendEnv: false, reject: false })
  return { run, root, done: () => readFileSync(done, 'utf8') }
}

it('report.sh makes no report while nobody knows whether it was made', async t => {
  const { run, done } = unreadable(t)
  const { exitCode, stderr } = await run(join(scripts, 'report.sh'))
  assert.deepEqual([exitCode, stderr, done()], [1, 'Error querying Consul agent: 500', ''])
})

it('start-redis.sh neither names a primary nor starts a Redis while nobody knows which it is', async t => {
  const { run, root, done } = unreadable(t)
  const { exitCode, stderr } = await run(join(scripts, 'start-redis.sh'), '6379', root)
  assert.deepEqual([exitCode, stderr, done()], [1, 'Error querying Consul agent: 500', ''])
})
