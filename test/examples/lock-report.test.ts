/** The scripts of examples/lock with a Consul that cannot be read: that is no answer. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { root, run } from '../configure/run.ts'
import { directory } from '../fixtures/state.ts'

/** A `consul` that answers as 1.8.7 does, and notes what it is asked to write. @param answers what `kv get` does */
function place(t: TestContext, answers: string) {
  const folder = directory(t)
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  const program = (name: string, text: string) =>
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  program('consul', `case $2 in get) ${answers} ;; put) echo "$3 $4" >>${folder}/written ;; esac`)
  program('watchbill', 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"')
  program('redis-server', `echo "$@" >${folder}/started`)
  program('make-report', `echo "$1" >>${folder}/reports`)
  const told = (name: string) => (existsSync(join(folder, name)) ? readFileSync(join(folder, name), 'utf8') : '')
  const env = { PATH: `${bin}:/usr/bin:/bin`, HOUR: '2030-01-01T08', REPORT: join(bin, 'make-report') }
  return { told, sh: (script: string, ...args: string[]) => run(`${root}/examples/lock/${script}`, args, env), folder }
}

const away = 'echo "Error querying Consul agent: Unexpected response code: 500 (No cluster leader)" >&2; exit 1'
const none = 'echo "Error! No key exists at: $3" >&2; exit 1'

test('report.sh makes the report when Consul says that it is not made, and not when Consul says nothing', async t => {
  const fresh = place(t, none)
  assert.equal((await fresh.sh('report.sh')).code, 0)
  assert.deepEqual(
    [fresh.told('reports'), fresh.told('written')],
    ['2030-01-01T08\n', 'reports/hourly/done 2030-01-01T08\n'],
  )
  const made = place(t, 'echo 2030-01-01T08')
  assert.equal((await made.sh('report.sh')).code, 0)
  const dark = place(t, away)
  const { code, stderr } = await dark.sh('report.sh')
  assert.deepEqual(
    [code, stderr],
    [
      111,
      'report.sh: cannot read reports/hourly/done: Error querying Consul agent: Unexpected response code: 500 (No cluster leader)',
    ],
  )
  for (const { told } of [made, dark]) assert.deepEqual([told('reports'), told('written')], ['', ''])
})

test('start-redis.sh names itself the primary only when Consul says that there is none', async t => {
  const dark = place(t, away)
  const { code, stderr } = await dark.sh('start-redis.sh', '6379', dark.folder)
  assert.deepEqual([code, /^start-redis\.sh: cannot read redis\/primary: /.test(stderr)], [111, true])
  assert.deepEqual([dark.told('written'), dark.told('started')], ['', ''])
  const fresh = place(t, `test -e "$0.asked" && echo "127.0.0.1 6379" && exit; touch "$0.asked"; ${none}`)
  assert.equal((await fresh.sh('start-redis.sh', '6379', fresh.folder)).code, 0)
  assert.equal(fresh.told('written'), 'redis/primary 127.0.0.1 6379\n')
  assert.match(fresh.told('started'), /^--port 6379/)
  assert.doesNotMatch(fresh.told('started'), /replicaof/)
})
