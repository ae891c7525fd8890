/** A node that was renamed after configure: nobody runs twice, and everybody is told why it has no share. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { keysOf } from '../lib/base/names.ts'
import { fakeConsul } from './fixtures/consul.ts'
import { directory } from './fixtures/state.ts'
import { runProgram } from './handlers/support/programs.ts'

const keys = keysOf('svc')

it('status says on every agent for what it is configured, and what to do', async t => {
  const fake = await fakeConsul(t)
  const { memory } = fake
  memory.nodes.set('ax', { serfHealth: 'passing', services: new Map([['svc', { name: 'svc', status: 'passing' }]]) })
  fake.script = ({ path }) => {
    if (path !== '/v1/session/create') return undefined
    return { text: { ID: memory.session('s-new', 'ax', 'watchbill a:svc') } }
  }
  const top = directory(t)
  const definition = join(top, 'svc.json')
  writeFileSync(
    definition,
    JSON.stringify({ name: 'svc', partitions: { range: [0, 1] }, run: { command: ['sleep', '9'] } }),
  )
  mkdirSync(join(top, 'state'))
  const env = { CONSUL_HTTP_ADDR: fake.consul.address.origin, WATCHBILL_STATE: join(top, 'state') }
  const args = ['--instance', 'a:svc', '--service', 'svc', '--definition', definition]
  for (let n = 0; n < 2; n++) {
    const { code, stderr } = await runProgram('reconcile', { args, env })
    const line =
      'reconcile: permanent: cannot take part as a:svc: it is configured for a, and this node is ax; run configure, then consul reload'
    assert.deepEqual([code, stderr.trim()], [100, line])
  }
  assert.equal(memory.keys.get(keys.member('a:svc'))?.Session, undefined)
  const { stdout } = await runProgram('status', { args: ['svc'], env })
  assert.match(stdout, /^problem: ax:svc cannot take part .* configured for a, and this node is ax; run configure/m)
})
