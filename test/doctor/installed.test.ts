import assert from 'node:assert/strict'
import { test } from 'node:test'
import { installedIn } from '../../lib/setup/doctor/gather/installed.ts'
import { configure, define, folder, nowhere } from '../configure/run.ts'

const top = folder()

test('what a definition takes from the environment is what configure found there, not what doctor has', async () => {
  const partitions = { count: { env: 'WATCHBILL_TEST_COUNT' } }
  const file = define(top, { partitions, checks: [{ name: 'p', ttl: '1m' }] })
  const places = ['--node', 'n1', '--consul-dir', top, '--home', `${top}/home`, '--node-binary', process.execPath]
  const env = { WATCHBILL_TEST_COUNT: '3' }
  const configured = await configure([file, ...places, '--state', `${top}/state`], env)
  assert.equal(configured.code, 0, configured.stderr)
  assert.equal(process.env.WATCHBILL_TEST_COUNT, undefined)
  const look = () => installedIn(top, { CONSUL_HTTP_ADDR: nowhere })
  const [found] = await look()
  assert.deepEqual([found?.problem, found?.definitionProblem, found?.current], [null, null, true])
  define(top, { partitions: { count: { env: 'ANOTHER_TEST_COUNT' } } })
  assert.match((await look())[0]?.definitionProblem ?? '', /ANOTHER_TEST_COUNT is not set; set it when configure runs/)
})

test('programs of a definition that are not there', async () => {
  define(top, { hooks: { failed: ['/nonexistent/page'] } })
  const [found] = await installedIn(top, { CONSUL_HTTP_ADDR: nowhere })
  assert.deepEqual(found?.absent, [{ field: 'hooks.failed', program: '/nonexistent/page' }])
})
